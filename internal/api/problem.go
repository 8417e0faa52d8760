package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/query"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	// Place is set when a query does not parse.
	Place *Place `json:"place,omitempty"`
}

// Place is the part of a query that a problem speaks of, in bytes of its
// UTF-8; Length is 0 at its end.
type Place struct {
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	Hint   string `json:"hint,omitempty"`
}

// Error and the methods below make a Problem an answer.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// problem says to the asker what the desk's error means. What is not the
// asker's business goes to the log.
func problem(ctx context.Context, log *slog.Logger, err error) *Problem {
	var syntax *query.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return &Problem{Status: http.StatusUnprocessableEntity, Title: "The query does not parse", Detail: syntax.Message,
			Place: &Place{Offset: syntax.Offset, Length: syntax.Length, Hint: syntax.Hint}}
	case errors.Is(err, desk.ErrRequest):
		return &Problem{Status: http.StatusUnprocessableEntity, Title: "Bad request", Detail: err.Error()}
	case errors.Is(err, argus.ErrRefused):
		return &Problem{Status: http.StatusForbidden, Title: "Refused", Detail: err.Error()}
	case errors.Is(err, argus.ErrNotFound):
		return &Problem{Status: http.StatusNotFound, Title: "No record found", Detail: err.Error()}
	case errors.Is(err, argus.ErrAmbiguous):
		return &Problem{Status: http.StatusConflict, Title: "Ambiguous reference", Detail: err.Error()}
	case ctx.Err() != nil:
		return &Problem{Status: http.StatusServiceUnavailable, Title: "Too slow", Detail: "the answer was not ready in time"}
	}
	log.ErrorContext(ctx, "request not answered", "error", err)
	if errors.Is(err, argus.ErrDamaged) {
		return &Problem{Status: http.StatusInternalServerError, Title: "Damaged",
			Detail: "stored bytes are not what was written: run argus verify"}
	}
	return &Problem{Status: http.StatusInternalServerError, Title: "Not answered", Detail: "the log of the argus command says why"}
}
