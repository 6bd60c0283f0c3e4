// Writes, as JSON, what only the Go types know about Kubernetes' kinds: which fields are pointers, which are always
// written, how they are numbered in protobuf and which structs are inlined. scripts/kubernetes_types.py adds the rest.
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type field struct {
	Name    string `json:"name,omitempty"` // empty: inlined
	Type    string `json:"type"`           // definition name, or Go kind
	Shape   string `json:"shape,omitempty"`
	Go      string `json:"go,omitempty"` // the name of a scalar's own type, as v1.Protocol
	Pointer bool   `json:"pointer,omitempty"`
	Always  bool   `json:"always,omitempty"` // written even when it is zero
	Proto   int    `json:"proto,omitempty"`
}

var types = map[string][]field{}

func name(t reflect.Type) string {
	path := strings.ReplaceAll(t.PkgPath(), "/", ".")
	return "io." + strings.Replace(path, "k8s.io.", "k8s.", 1) + "." + t.Name()
}

func scalar(t reflect.Type) (string, string) {
	switch t.Kind() {
	case reflect.Pointer:
		return scalar(t.Elem())
	case reflect.Struct:
		walk(t)
		return name(t), ""
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", ""
		}
		inner, _ := scalar(t.Elem())
		return inner, "list"
	case reflect.Map:
		inner, shape := scalar(t.Elem())
		return inner, "map" + shape
	default:
		return t.Kind().String(), ""
	}
}

// always says whether encoding/json writes the field when it holds its zero value: omitempty never omits a struct.
func always(f reflect.StructField, options string) bool {
	if strings.Contains(options, "omitzero") {
		return false
	}
	return f.Type.Kind() == reflect.Struct || !strings.Contains(options, "omitempty")
}

// own returns the name of a scalar's type when it is not a basic one.
func own(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return own(t.Elem())
	case reflect.Struct:
		return ""
	}
	if t.PkgPath() == "" {
		return ""
	}
	return t.String()
}

func walk(t reflect.Type) {
	if _, seen := types[name(t)]; seen {
		return
	}
	types[name(t)] = nil
	var fields []field
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		proto, _ := strconv.Atoi(append(strings.Split(f.Tag.Get("protobuf"), ","), "", "")[1])
		if !f.IsExported() || (tag[0] == "-" && proto == 0) {
			continue
		}
		rest := strings.Join(tag[1:], ",")
		inner, shape := scalar(f.Type)
		n := tag[0]
		if n == "-" || strings.Contains(rest, "inline") || (f.Anonymous && n == "") {
			n = ""
		}
		fields = append(fields, field{n, inner, shape, own(f.Type), f.Type.Kind() == reflect.Pointer, always(f, rest), proto})
	}
	types[name(t)] = fields
}

func main() {
	s := runtime.NewScheme()
	_ = scheme.AddToScheme(s)
	_ = apiextensions.AddToScheme(s)
	kinds := map[string]string{}
	for _, arg := range os.Args[1:] {
		parts := strings.Split(arg, "/")
		gvk := schema.GroupVersionKind{Version: parts[0], Kind: parts[len(parts)-1]}
		if len(parts) == 3 {
			gvk = schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]}
		}
		t, ok := s.AllKnownTypes()[gvk]
		if !ok {
			panic("no such kind: " + arg)
		}
		walk(t)
		kinds[arg] = name(t)
	}
	for _, extra := range []any{metav1.DeleteOptions{}, metav1.Status{}} {
		walk(reflect.TypeOf(extra))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(map[string]any{"kinds": kinds, "types": types}); err != nil {
		panic(err)
	}
}
