package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/query"
)

// Problem is an error in the form of RFC 9457.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Place is set if a query does not parse.
	Place *Place `json:"place,omitempty"`
}

// Place is the part of a query that a problem is about, in bytes of UTF-8. Length is 0 at
// the end of the query.
type Place struct {
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	Hint   string `json:"hint,omitempty"`
}

// Error and the methods below make a Problem an error that huma can answer with.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type that RFC 9457 defines.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// problem translates an error from the desk for the asker. Errors that do not concern the
// asker go to the log.
func problem(ctx context.Context, o Options, err error) *Problem {
	var syntax *query.SyntaxError
	remedy, damaged := o.Damage(err)
	switch {
	case damaged: // first, because damage may be a missing file, but is never mere absence
		o.Log.ErrorContext(ctx, "answer request", "error", err)
		return &Problem{Status: http.StatusInternalServerError, Title: "Damaged", Detail: remedy}
	case errors.As(err, &syntax):
		return &Problem{Status: http.StatusUnprocessableEntity, Title: "The query does not parse", Detail: syntax.Message,
			Place: &Place{Offset: syntax.Offset, Length: syntax.Length, Hint: syntax.Hint}}
	case errors.Is(err, desk.ErrRequest), errors.Is(err, authority.ErrInvalid), errors.Is(err, authority.ErrRevoked):
		return &Problem{Status: http.StatusUnprocessableEntity, Title: "Bad request", Detail: err.Error()}
	case errors.Is(err, argus.ErrRefused):
		return &Problem{Status: http.StatusForbidden, Title: "Refused", Detail: err.Error()}
	case errors.Is(err, argus.ErrNotFound):
		return &Problem{Status: http.StatusNotFound, Title: "No record found", Detail: err.Error()}
	case errors.Is(err, argus.ErrAmbiguous):
		return &Problem{Status: http.StatusConflict, Title: "Ambiguous reference", Detail: err.Error()}
	case ctx.Err() != nil:
		return &Problem{Status: http.StatusServiceUnavailable, Title: "Timeout", Detail: "the answer was not ready in time"}
	}
	o.Log.ErrorContext(ctx, "answer request", "error", err)
	return &Problem{Status: http.StatusInternalServerError, Title: "Internal error", Detail: "the argus command printed the cause"}
}
