package api

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/argus-evidence/argus"
)

// These describe the types of package argus that encode themselves.
type (
	anyTime   struct{}
	anyStates struct{}
	anyType   struct{}
	anyReach  struct{}
)

// Schema implements huma.SchemaProvider. A time is a string, or an object if the
// source states more about it.
func (anyTime) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: "string", Description: "UTC, with the precision of the source, or unknown", Examples: []any{"2021-02-14T12:03:11Z"}}
	return &huma.Schema{OneOf: []*huma.Schema{text, {
		Type: "object",
		Properties: map[string]*huma.Schema{
			"utc":   text,
			"raw":   {Type: "string", Description: "text of the source"},
			"zone":  {Type: "string", Description: "origin of the zone", Enum: []any{"stated", "file", "operator", "assumed"}},
			"clock": {Type: "string", Description: "owner of the clock, if it is not the service's", Enum: []any{"sender", "receiver"}},
		},
		Required: []string{"utc"},
	}}}
}

// Schema implements huma.SchemaProvider.
func (anyStates) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string", Enum: words(argus.StateWords[:])}}
}

// Schema implements huma.SchemaProvider.
func (anyType) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Enum: words(argus.TypeWords[:]), Description: "kind of message; absent for a text"}
}

// Schema implements huma.SchemaProvider.
func (anyReach) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Enum: []any{argus.ReachService.String(), argus.ReachServer.String(), argus.ReachExport.String(), argus.ReachFile.String()},
		Description: "scope within which the id is unique; absent if that is the whole service"}
}

func words(list []string) (all []any) {
	for _, w := range list {
		all = append(all, w)
	}
	return all
}

// descriptions explains fields whose names are not enough. It is keyed by schema and
// property.
var descriptions = map[string]map[string]string{
	"SearchRequest": {
		"limit":       "maximum number of hits, up to 1000; 0 for 20, -1 for counts only",
		"next":        "the field next from an earlier answer, unchanged",
		"distinct":    "show messages with the same content once; facets and histogram count each content once. Only the facets from and service are available, and no pairs",
		"facets":      "fields to count by: from, to, in, service, delivery, is, lang, country, entity",
		"facet_size":  "maximum number of values per facet, most frequent first; 0 for 20, -1 for all",
		"pairs":       "maximum number of pairs of sender and receiver; -1 for all",
		"histogram":   "width of the bars: hour, day, month or year, or weekhour for the hours of a week",
		"zone":        "IANA name of the time zone of dates in the query and of the bars; default UTC",
		"max_seconds": "approximate maximum duration of the search, in seconds; 0 for 30",
	},
	"SearchResult": {
		"query":            "the query as understood, printed in the query language",
		"total":            "all items found; each counts once, even if the store holds several copies",
		"messages":         "part of total: the texts, media and polls",
		"beside":           "part of total: the other types, each counted by name: call, contact, room, membership, reaction, location, device, draft, notice, note",
		"distinct":         "number of messages, counting those with the same content once; only if asked for",
		"differing":        "messages in total whose copies in the scope differ",
		"facets":           "a message counts once for each of its values; the most frequent accounts and conversations have the names that messages show",
		"histogram":        "oldest first, from the first bar to the last; empty bars have 0",
		"histogram_sparse": "empty bars are left out because there are too many",
		"pairs":            "pairs of sender and receiver, most frequent first; a message to several receivers counts for its conversation",
		"narrowed":         "values that the query demands and excludes as a whole",
		"next":             "token for the next hits; it reveals nothing outside the scope",
		"behind":           "records that the index has not seen; under a scope, 1 means one or more",
		"entry":            "number of this act in the ledger",
	},
	"ChangeRequest": {
		"zone": "IANA name of the time zone in which the days of the query begin; default UTC",
		"and":  "values that every message must have",
		"not":  "values that no message may have",
		"drop": "values that the query no longer demands or excludes",
		"sent": "a period that replaces those of the query as a whole; without dates, it removes them",
	},
	"Changed": {
		"query": "the new text; unchanged parts keep their spelling",
	},
	"Narrowed": {
		"and": "the values that the query demands of every message",
		"not": "the values that the query allows in no message",
	},
	"Value": {
		"field": "as in the query language; the facets have from, to, in, service, delivery, is, lang, entity",
		"value": "as a facet counts it; accounts and conversations match letter for letter",
	},
	"Period": {
		"from": "a date as the query language writes it; empty for an open beginning",
		"to":   "a date, all of it within the period; empty for an open end",
	},
	"Hit": {
		"ref":          "lowest id of the message's copies in the scope",
		"version":      "version whose content is in message",
		"message":      "union of the copies in the scope",
		"marks":        "byte ranges [start, end) of the matches in the message's text, in UTF-8",
		"sightings":    "number of copies in the scope",
		"versions":     "number of different versions among the copies",
		"also_locked":  "the store also holds a locked copy of this readable message",
		"same_content": "number of messages in the scope with the same content, including this one; absent if there is no other. The query same:REF finds them",
	},
	"Shown": {
		"message":      "union of the copies in the scope",
		"versions":     "different versions of the copies, beginning with the version shown first",
		"same_content": "number of messages in the scope with the same content, including this one; absent if there is no other",
		"same":         "references of the others, newest first, at most 20",
	},
	"Version": {
		"message":        "union of the sightings of this version",
		"entities":       "identifiers in its text; start and end are byte offsets",
		"language_found": "language that Argus finds in its text, a guess; BCP 47, mixed, or unknown. Absent if there is no text, or if a copy in the scope states a language",
		"countries":      "countries that its source states, and those that gave out the numbers of its accounts. They do not say where anybody was",
	},
	"CountryReason": {
		"country": "code of ISO 3166, in capitals; XK is Kosovo",
		"number":  "the account whose number the country gave out; absent if the source states the country. A number may be of several countries",
	},
	"Sighting": {
		"seq":          "position within all evidence",
		"id":           "the copy's own id; copies have different ids if their clocks differ",
		"states":       "statements of this copy, without its content",
		"raw":          "raw record of the original, at most its first 64 KiB",
		"raw_withheld": "the raw record is withheld because it holds something outside the scope",
	},
	"Where": {
		"original_seq": "position of the original's record within all evidence",
		"record":       "number of the record in its file, from 1",
		"offset":       "in bytes from the beginning of the file",
		"length":       "in bytes",
	},
	"Page": {
		"hits":    "oldest first",
		"earlier": "number of messages of any type before these in the scope",
		"later":   "number of messages after these in the scope",
	},
	"Delivery": {
		"partial": "the scope covers only a part of the delivery: its seal and its counts are withheld",
		"limited": "the scope covers this delivery but not all others: only the counts read and quarantined are given, because the other counts would reveal other deliveries",
	},
}

// describe completes the description that huma derives from the types. It panics if
// descriptions names a field that does not exist.
func describe(api *huma.OpenAPI) {
	registry := api.Components.Schemas
	opened := registry.Schema(reflect.TypeFor[Opened](), true, "Opened")
	problem := registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	schemas := registry.Map()
	// Request validation adds its own fields to a problem.
	schemas["Problem"].AdditionalProperties = true
	content := func(mediaType string, of *huma.Schema) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{mediaType: {Schema: of}}
	}
	// The session guard answers this request before any endpoint does.
	api.AddOperation(&huma.Operation{
		OperationID: "open", Method: "POST", Path: openPath, Summary: "Open the session, once", Security: []map[string][]string{},
		Parameters: []*huma.Param{{Name: tokenHeader, In: "header", Required: true, Description: "token of the link", Schema: &huma.Schema{Type: "string"}}},
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: content("application/json", opened)},
			"default": {},
		},
	})
	for _, path := range api.Paths {
		for _, operation := range []*huma.Operation{path.Get, path.Post} {
			if operation != nil {
				operation.Responses["default"] = &huma.Response{Description: "Problem", Content: content((*Problem).ContentType(nil, ""), problem)}
			}
		}
	}
	delete(schemas, "ErrorModel") // huma's form of a problem
	delete(schemas, "ErrorDetail")
	for _, schema := range schemas {
		for name, property := range schema.Properties {
			// An empty list is left out of the encoding unless the field is required.
			if property.Type == "array" && !slices.Contains(schema.Required, name) {
				property.Nullable = false
				property.Items.Nullable = false
			}
		}
	}
	for of, texts := range descriptions {
		for name, text := range texts {
			if schemas[of] == nil || schemas[of].Properties[name] == nil {
				panic(fmt.Sprintf("api: there is no %s.%s to describe", of, name))
			}
			property := *schemas[of].Properties[name] // it may be shared
			property.Description = text
			schemas[of].Properties[name] = &property
		}
	}
}
