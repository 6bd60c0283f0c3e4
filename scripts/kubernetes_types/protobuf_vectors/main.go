// Encodes the JSON bodies of tests/vectors/kubernetes/protobuf.json as a client of Kubernetes would in protobuf.
//
// usage: go run ./protobuf_vectors < OLD > NEW
package main

import (
	"bytes"
	"encoding/json"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type vector struct {
	Name string          `json:"name"`
	Body json.RawMessage `json:"body"`
	Wire []byte          `json:"wire"`
}

func main() {
	var in struct{ Cases []vector }
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	s := runtime.NewScheme()
	_ = scheme.AddToScheme(s)
	_ = apiextensions.AddToScheme(s)
	decoder := serializer.NewCodecFactory(s).UniversalDeserializer()
	encoder := protobuf.NewSerializer(s, s)
	var out []vector
	for _, c := range in.Cases {
		object, _, err := decoder.Decode(c.Body, nil, nil)
		if err != nil {
			continue
		}
		var wire bytes.Buffer
		if err := encoder.Encode(object, &wire); err != nil {
			panic(err)
		}
		out = append(out, vector{c.Name, c.Body, wire.Bytes()})
	}
	writer := json.NewEncoder(os.Stdout)
	if err := writer.Encode(map[string]any{"cases": out}); err != nil {
		panic(err)
	}
}
