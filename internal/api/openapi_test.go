package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

// TestOpenAPIFile compares openapi.json with the served description. The
// interface's types are generated from the file.
func TestOpenAPIFile(t *testing.T) {
	s := serve(t, &fake{})
	status, body := do(t, browser(t, s), "GET", s.URL+"/api/openapi.json", "", nil)
	if status != http.StatusOK {
		t.Fatalf("%d: %.200s", status, body)
	}
	var served bytes.Buffer
	if err := json.Indent(&served, []byte(body), "", "  "); err != nil {
		t.Fatal(err)
	}
	served.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", served.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(file), served.String()); diff != "" {
		t.Errorf("openapi.json differs from the served description; run go test ./internal/api -run TestOpenAPIFile -update, then npm run types in internal/web:\n%s", diff)
	}
}

// TestDescriptionFitsTheTypes fills every field of each answer and validates the answer
// against its description. The description must contain each field in the right form, and
// no field that answers do not have.
func TestDescriptionFitsTheTypes(t *testing.T) {
	described := routes(http.NewServeMux(), &fake{}, Options{}, nil).OpenAPI()
	for name, answer := range map[string]reflect.Value{
		"SearchRequest": filled[desk.SearchRequest](),
		"SearchResult":  filled[desk.SearchResult](),
		"Shown":         filled[desk.Shown](),
		"Page":          filled[desk.Page](),
		"Delivery":      filled[desk.Delivery](),
		"Entry":         filled[ledger.Entry](),
		"Session":       filled[Session](),
		"Opened":        filled[Opened](),
		"Problem":       filled[Problem](),
	} {
		data, err := json.Marshal(answer.Interface())
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatal(err)
		}
		schemas := described.Components.Schemas
		schema := schemas.Map()[name]
		if schema == nil {
			t.Errorf("%s is not described", name)
			continue
		}
		var found huma.ValidateResult
		huma.Validate(schemas, schema, huma.NewPathBuffer([]byte(name), 0), huma.ModeReadFromServer, v, &found)
		for _, err := range found.Errors {
			t.Errorf("%v", err)
		}
		for _, missing := range absent(schemas, schema, v, name) {
			t.Errorf("%s is described, but no answer has it", missing)
		}
	}
}

// absent returns the described properties that a value does not have.
func absent(schemas huma.Registry, s *huma.Schema, v any, at string) (list []string) {
	if s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, property := range s.Properties {
			if inner, ok := v[name]; ok {
				list = append(list, absent(schemas, property, inner, at+"."+name)...)
			} else {
				list = append(list, at+"."+name)
			}
		}
	case []any:
		for _, inner := range v {
			list = append(list, absent(schemas, s.Items, inner, at+"[]")...)
		}
	}
	return list
}

// filled returns a value in which no exported field is zero.
func filled[T any]() reflect.Value {
	v := reflect.New(reflect.TypeFor[T]()).Elem()
	fill(v)
	return v
}

func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	default:
		panic("api: cannot fill " + v.Type().String())
	}
}
