package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/argus-evidence/argus"
)

// What the types of package argus look like that write themselves as text.
type (
	anyTime   struct{}
	anyStates struct{}
	anyType   struct{}
	anyReach  struct{}
)

// Schema implements huma.SchemaProvider. A time is a string, or an object where
// the source has more to say.
func (anyTime) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: "string", Description: "UTC, as finely as the source states it, or unknown", Examples: []any{"2021-02-14T12:03:11Z"}}
	return &huma.Schema{OneOf: []*huma.Schema{text, {
		Type: "object",
		Properties: map[string]*huma.Schema{
			"utc":   text,
			"raw":   {Type: "string", Description: "as it stood in the source"},
			"zone":  {Type: "string", Description: "where the zone came from", Enum: []any{"stated", "file", "operator", "assumed"}},
			"clock": {Type: "string", Description: "whose clock it was, if not the service's", Enum: []any{"sender", "receiver"}},
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
	return &huma.Schema{Type: "string", Enum: words(argus.TypeWords[:]), Description: "what the message records; not there for a text"}
}

// Schema implements huma.SchemaProvider.
func (anyReach) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Enum: []any{argus.ReachService.String(), argus.ReachServer.String(), argus.ReachExport.String(), argus.ReachFile.String()},
		Description: "in what the id is unique; not there for the whole service"}
}

func words(list []string) (all []any) {
	for _, w := range list {
		all = append(all, w)
	}
	return all
}

// descriptions are those of fields that their names do not explain, by schema and
// property.
var descriptions = map[string]map[string]string{
	"SearchRequest": {
		"limit":       "the most hits, at most 1000; 0 for 20, -1 for counts only",
		"next":        "the next of an earlier answer, unchanged",
		"facets":      "fields to count by: from, to, in, service, delivery, is, lang, entity",
		"facet_size":  "the most values a facet, most frequent first; 0 for 20, -1 for all",
		"pairs":       "the most pairs of who wrote to whom; -1 for all",
		"histogram":   "the width of its bars: hour, day, month or year, or weekhour for the hours of a week",
		"zone":        "where the days of the query and the bars begin, as an IANA name; default UTC",
		"max_seconds": "about the longest to search; 0 for 30",
	},
	"SearchResult": {
		"query":            "what was understood, printed back in the query language",
		"total":            "all that was found, each message once, however many copies of it are held",
		"messages":         "of total, the texts, media and polls",
		"beside":           "of total, the other types by their words: call, contact, room, membership, reaction, location, device, draft, notice, note",
		"differing":        "the messages of total whose copies in the scope differ",
		"facets":           "a message counts once for each of its values; the most frequent accounts and conversations have the names that messages show",
		"histogram":        "oldest first, from the first to the last bar; those without a message have 0",
		"histogram_sparse": "the bars without a message are left out: there are too many",
		"pairs":            "who wrote to whom, most frequent first; to several receivers, into which conversation",
		"narrowed":         "what the query demands and excludes as a whole",
		"next":             "asks for the hits behind these; it tells nothing of what lies outside the scope",
		"behind":           "records that the index has not seen; under a scope, 1 stands for any number",
		"entry":            "the entry of this act in the ledger",
	},
	"ChangeRequest": {
		"zone": "where the days of the query begin, as an IANA name; default UTC",
		"and":  "what every message has to have",
		"not":  "what no message may have",
		"drop": "what does not matter any more",
		"sent": "a period in place of those that the query names as a whole; without dates, none",
	},
	"Changed": {
		"query": "what was left stays as it was written",
	},
	"Narrowed": {
		"and": "the values that every message of the query has to have",
		"not": "the values that none of them may have",
	},
	"Value": {
		"field": "as in the query language; the facets have from, to, in, service, delivery, is, lang, entity",
		"value": "as a facet counts it: an account or conversation letter for letter",
	},
	"Period": {
		"from": "a date as the query language writes it; empty for an open beginning",
		"to":   "a date, which is in the period to its end; empty for an open end",
	},
	"Hit": {
		"ref":         "the lowest id of the message's copies in the scope",
		"version":     "the version whose content is in message",
		"message":     "the union of the copies in the scope",
		"marks":       "byte ranges [start, end) of the message's text, in UTF-8, that matched",
		"sightings":   "the copies in the scope",
		"versions":    "how many different things they say; more than 1 if they differ",
		"also_locked": "a message that can be read is also held locked",
	},
	"Shown": {
		"message":  "the union of the copies in the scope",
		"versions": "the different things that copies say, the one shown first in front",
	},
	"Version": {
		"message":  "the union of the sightings of this version",
		"entities": "the identifiers in its text; start and end are bytes of it",
	},
	"Sighting": {
		"seq":          "its position in the whole evidence",
		"id":           "the copy's own id, which differs where clocks are apart",
		"states":       "what this copy says but for its content",
		"raw":          "the record as it stands in the original, at most its first 64 KiB",
		"raw_withheld": "the record is not shown raw: something outside the scope lies inside it",
	},
	"Where": {
		"original_seq": "the position of the original's record in the whole evidence",
		"record":       "the number of the record in its file, from 1",
		"offset":       "in bytes of the file",
		"length":       "in bytes",
	},
	"Page": {
		"hits":    "oldest first",
		"earlier": "how many messages of any type, inside the scope, come before these",
		"later":   "how many come behind",
	},
	"Delivery": {
		"partial": "the scope covers only a part of it: its seal and its counts are withheld",
		"limited": "the scope covers it and not all others: of its counts only read and quarantined are given, for the others tell of other deliveries",
	},
}

// describe puts the descriptions where they belong. It panics if a name is not
// there any more.
func describe(schemas map[string]*huma.Schema) {
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
