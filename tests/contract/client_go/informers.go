package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// seen is what the handlers of an informer were told: the objects that should be there, and what cannot have been.
type seen struct {
	sync.Mutex
	Objects map[string]string `json:"objects"`
	Wrong   []string          `json:"wrong"`
	Relists int               `json:"added"`
}

func (s *seen) handler(version func(any) (string, string)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(item any) {
			name, at := version(item)
			s.Lock()
			defer s.Unlock()
			if _, known := s.Objects[name]; known {
				s.Wrong = append(s.Wrong, "added twice: "+name)
			}
			s.Objects[name] = at
			s.Relists++
		},
		UpdateFunc: func(before, item any) {
			_, was := version(before)
			name, at := version(item)
			s.Lock()
			defer s.Unlock()
			if s.Objects[name] != was {
				s.Wrong = append(s.Wrong, fmt.Sprintf("%s updated from %s, known as %s", name, was, s.Objects[name]))
			}
			s.Objects[name] = at
		},
		DeleteFunc: func(item any) {
			if last, missed := item.(cache.DeletedFinalStateUnknown); missed {
				item = last.Obj
			}
			name, _ := version(item)
			s.Lock()
			defer s.Unlock()
			if _, known := s.Objects[name]; !known {
				s.Wrong = append(s.Wrong, "deleted twice: "+name)
			}
			delete(s.Objects, name)
		},
	}
}

func ofConfigMap(item any) (string, string) {
	found := item.(*corev1.ConfigMap)
	return found.Name, found.ResourceVersion
}

func ofUnstructured(item any) (string, string) {
	found := item.(*unstructured.Unstructured)
	return found.GetName(), found.GetResourceVersion()
}

// follow keeps a shared and a dynamic informer on a namespace's ConfigMaps, and prints what they know for every line read.
func follow(ctx context.Context, config *rest.Config, arguments []string) error {
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactoryWithOptions(typed, 0, informers.WithNamespace(arguments[0]))
	fields := dynamicinformer.NewFilteredDynamicSharedInformerFactory(untyped, 0, arguments[0], nil)
	maps := shared.Core().V1().ConfigMaps().Informer()
	dynamicMaps := fields.ForResource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Informer()
	known := map[string]*seen{"shared": {Objects: map[string]string{}}, "dynamic": {Objects: map[string]string{}}}
	if _, err := maps.AddEventHandler(known["shared"].handler(ofConfigMap)); err != nil {
		return err
	}
	if _, err := dynamicMaps.AddEventHandler(known["dynamic"].handler(ofUnstructured)); err != nil {
		return err
	}
	shared.Start(ctx.Done())
	fields.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), maps.HasSynced, dynamicMaps.HasSynced) {
		return fmt.Errorf("the caches never filled")
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		for _, each := range known {
			each.Lock()
		}
		err := json.NewEncoder(os.Stdout).Encode(known)
		for _, each := range known {
			each.Unlock()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
