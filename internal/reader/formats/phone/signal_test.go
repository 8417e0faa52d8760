package phone

import (
	"testing"

	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestTwoPhonesMeet reads the messages of one chat that two phones received and sent.
func TestTwoPhonesMeet(t *testing.T) {
	const a = `{"envelope":{"sourceNumber":"+311","timestamp":1613304191123,"dataMessage":{"timestamp":1613304191123,"message":"tien uur"}},"account":"+312"}
{"envelope":{"sourceNumber":"+312","timestamp":1613304199999,"syncMessage":{"sentMessage":{"destinationNumber":"+311","timestamp":1613304199000,"message":"ok"}}},"account":"+312"}`
	const b = `{"envelope":{"sourceNumber":"+311","timestamp":1613304191999,"syncMessage":{"sentMessage":{"destinationNumber":"+312","timestamp":1613304191123,"message":"tien uur"}}},"account":"+311"}
{"envelope":{"sourceNumber":"+312","timestamp":1613304199000,"dataMessage":{"timestamp":1613304199000,"message":"ok"}},"account":"+311"}`
	readertest.SameIdentities(t, 2, Signal, a, Signal, b)
}
