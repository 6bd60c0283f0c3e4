// What other people's compiled controllers are made of: client-go's typed clients with protobuf bodies, shared and
// dynamic informers, leader election. tests/contract/test_client_go.py tells it what to do and looks at the outcome.
// usage: client_go KUBECONFIG typed NAMESPACE | informers NAMESPACE | elect NAMESPACE IDENTITY
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const protobuf = "application/vnd.kubernetes.protobuf"

var commands = map[string]func(context.Context, *rest.Config, []string) error{
	"elect":     elect,
	"informers": follow,
	"typed":     callTyped,
}

func main() {
	if len(os.Args) < 4 || commands[os.Args[2]] == nil {
		fmt.Fprintln(os.Stderr, "usage: client_go KUBECONFIG typed|informers|elect NAMESPACE [IDENTITY]")
		os.Exit(2)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err == nil {
		config.ContentConfig = rest.ContentConfig{ContentType: protobuf, AcceptContentTypes: protobuf + ",application/json"}
		config.QPS, config.Burst = 1000, 1000
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = commands[os.Args[2]](ctx, config, os.Args[3:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
