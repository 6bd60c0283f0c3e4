// Evaluates CEL expressions as kube-apiserver does, for tests/vectors/kubernetes/cel.json.
// usage: go run . tests/vectors/kubernetes/cel.json >NEW   (answers that are there are asked anew)
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	kubernetesjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

type vectors struct {
	Self  json.RawMessage `json:"self"`
	Cases []*one          `json:"cases"`
}

type one struct {
	Expression string `json:"expression"`
	Type       string `json:"type,omitempty"`
	Value      any    `json:"value,omitempty"`
	Error      string `json:"error,omitempty"`
	Refused    string `json:"refused,omitempty"`
}

func plain(value ref.Val) any {
	switch known := value.(type) {
	case types.Null:
		return nil
	case *types.Optional:
		if !known.HasValue() {
			return map[string]any{"optional": false}
		}
		return map[string]any{"optional": plain(known.GetValue())}
	case types.Timestamp:
		return known.Time.UTC().Format(time.RFC3339Nano)
	case types.Duration:
		return known.Duration.Seconds()
	case types.Bytes:
		return string(known)
	case *types.Type:
		return known.TypeName()
	case traits.Lister:
		items := []any{}
		for i := known.Iterator(); i.HasNext() == types.True; {
			items = append(items, plain(i.Next()))
		}
		return items
	case traits.Mapper:
		entries := map[string]any{}
		for i := known.Iterator(); i.HasNext() == types.True; {
			key := i.Next()
			entries[fmt.Sprint(key.Value())] = plain(known.Get(key))
		}
		return entries
	case types.Double:
		return strconv.FormatFloat(float64(known), 'g', -1, 64)
	case types.Bool, types.Int, types.Uint, types.String:
		return known.Value()
	}
	return "opaque"
}

func answer(env *cel.Env, self any, asked *one) {
	tree, issues := env.Compile(asked.Expression)
	if issues.Err() != nil {
		asked.Refused = issues.String()
		return
	}
	program, err := env.Program(tree)
	if err != nil {
		asked.Refused = err.Error()
		return
	}
	value, _, err := program.Eval(map[string]any{"self": self})
	if err != nil {
		asked.Error = err.Error()
		return
	}
	asked.Type, asked.Value = value.Type().TypeName(), plain(value)
}

func main() {
	base := environment.MustBaseEnvSet(version.MajorMinor(1, 36))
	set, err := base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []cel.EnvOption{cel.Variable("self", cel.DynType)},
	})
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var asked vectors
	if err := json.Unmarshal(text, &asked); err != nil {
		panic(err)
	}
	var self any
	if err := kubernetesjson.Unmarshal(asked.Self, &self); err != nil { // integers stay integers
		panic(err)
	}
	for _, each := range asked.Cases {
		*each = one{Expression: each.Expression}
		answer(set.NewExpressionsEnv(), self, each)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(asked); err != nil {
		panic(err)
	}
}
