package dates

import (
	"net/mail"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// TestMailTime reads dates as programs wrote them; those that name no zone are in
// Amsterdam's.
func TestMailTime(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	for date, want := range map[string]string{
		"Thu, 28 May 2020 15:08:30 +0200":                   "2020-05-28T13:08:30Z",
		"28 May 2020 15:08 +0200":                           "2020-05-28T13:08Z",
		"Thu, 28 May 20 15:08:30 +0200":                     "2020-05-28T13:08:30Z",
		"Thu, 28 May 99 15:08:30 GMT":                       "1999-05-28T15:08:30Z",
		"Sat, 28 May 102 15:08:30 GMT":                      "2002-05-28T15:08:30Z",
		"Thu May 28 15:08:30 2020":                          "2020-05-28T13:08:30Z operator",
		"Thu May 28 15:08:30 PDT 2020":                      "2020-05-28T22:08:30Z",
		"Thu May 28 15:08:30 +0200 2020":                    "2020-05-28T13:08:30Z",
		"Thu May 28 2020 15:08:30 GMT+0200 (CEST)":          "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30 +02:00":                  "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30+0200":                    "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30.250 +0200":               "2020-05-28T13:08:30.250Z",
		"Thu,28 May 2020 15:08:30 +0200":                    "2020-05-28T13:08:30Z",
		"Thursday, 28-May-20 15:08:30 GMT":                  "2020-05-28T15:08:30Z",
		"Thursday, May 28, 2020 3:08:30 PM":                 "2020-05-28T13:08:30Z operator",
		"Thu, May 28 2020 3:08pm -0400":                     "2020-05-28T19:08Z",
		"Thu, 28 May 2020 12:08:30 AM +0200":                "2020-05-27T22:08:30Z",
		"Thu, 28 May 2020 15:08:30 Z":                       "2020-05-28T15:08:30Z",
		"Thu, 28 May 2020 15:08:30 UT":                      "2020-05-28T15:08:30Z",
		"Thu, 28 May 2020 15:08:30 -0000":                   "2020-05-28T15:08:30Z",
		"Thu, 28 May 2020 15:08:30 GMT+0200":                "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30 GMT +0200":               "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30 UTC+2":                   "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30 EDT":                     "2020-05-28T19:08:30Z",
		"Thu, 28 May 2020 15:08:30 -0400 EDT":               "2020-05-28T19:08:30Z",
		"Thu, 28 May 2020 15:08:30 (PDT)":                   "2020-05-28T22:08:30Z",
		"Thu, 28 May 2020 15:08:30 +0200 (Romance (zomer))": "2020-05-28T13:08:30Z",
		"Thu, 28 May 2020 15:08:30 XYZT":                    "2020-05-28T13:08:30Z operator",
		"Thu, 28 May 2020 15:08:30 A":                       "2020-05-28T13:08:30Z operator", // RFC 5322: a letter means nothing
		"Thu, 28 May 2020 15:08:30":                         "2020-05-28T13:08:30Z operator",
		"Thu, 28 May 2020":                                  "2020-05-28 operator",
		"Mi., 23 Apr. 2025 09:48:37 +0200 (MESZ)":           "2025-04-23T07:48:37Z",
		"do 28 mei 2020 15:08:30 +0200":                     "2020-05-28T13:08:30Z",
		"mar., 3 mars 2020 15:08:30 +0100":                  "2020-03-03T14:08:30Z",
		"Mar, 5 févr. 2019 15:08:30 +0100":                  "2019-02-05T14:08:30Z",
		"Tue Mar 3 15:08:30 2020":                           "2020-03-03T14:08:30Z operator",
		"Sat, Apr 09 2005 06:39:52 -0700":                   "2005-04-09T13:39:52Z",
		"Mon, 15 09 2014 05:25:04":                          "2014-09-15T03:25:04Z operator",
		"2020-05-28T15:08:30+02:00":                         "2020-05-28T13:08:30Z",
		"2020-05-28 15:08:30 UTC":                           "2020-05-28T15:08:30Z",
		"2020/05/28 15:08:30 +0200":                         "2020-05-28T13:08:30Z",
		"28.05.2020 15:08:30":                               "2020-05-28T13:08:30Z operator",
		"5/28/2020 3:08:30 PM":                              "2020-05-28T13:08:30Z operator",
		"28 May 2020 15.08.30 +0200":                        "2020-05-28T13:08:30Z",
		"May 28th, 2020 15:08:30 GMT":                       "2020-05-28T15:08:30Z",

		"4/5/2020 15:08:30":                     "", // the month is ambiguous
		"Sun, 16 Oct 0001 22:19:29 -0800 (PST)": "",
		"Thu, 01 Jan 1970 00:00:00 +0000":       "", // 0 is not a time
		"Thu, 31 Feb 2020 15:08:30 +0200":       "",
		"Thu, 28 May 2020 25:08:30 +0200":       "",
		"Thu, 28 May 2020 15:08:30 +9900":       "",
		"Thu, 28 May 2020 13:08:30 PM":          "",
		"28 May 15:08:30 +0200":                 "",
		"here, on 28 May 2020 15:08:30":         "",
		"yesterday":                             "",
		"":                                      "",
		"(":                                     "",
		"+":                                     "",
		"99999999999999999999":                  "",
		"28 May 2020 15:08:30 29 June 2021":     "",
	} {
		got := ""
		if at, ok := Words(date, reader.Options{Zone: zone}); ok {
			if at.Raw != date {
				t.Errorf("%q: raw %q", date, at.Raw)
			}
			if got = at.String(); at.Zone != argus.ZoneStated {
				got += " " + at.Zone.String()
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", date, got, want)
		}
	}
}

// FuzzMailTime compares the reading of a date that names an offset with that of
// net/mail.
func FuzzMailTime(f *testing.F) {
	for _, date := range []string{"Thu, 28 May 2020 15:08:30 +0200", "28 May 20 15:08 -0000", "Thu May 28 15:08:30 PDT 2020", "Mar, 5 févr. 2019 3pm", "2020-05-28T15:08:30.5Z (x"} {
		f.Add(date)
	}
	f.Fuzz(func(t *testing.T, date string) {
		got, ok := Words(date, reader.Options{})
		if ok && (!got.Known() || !got.Plausible() || got.Micros == 0 || got.Raw != date) {
			t.Fatalf("%q: %+v", date, got)
		}
		want, err := mail.ParseDate(date)
		if _, offset := want.Zone(); err != nil || !ok || got.Zone != argus.ZoneStated || offset == 0 {
			return
		}
		if got.Micros != want.UnixMicro() {
			t.Errorf("%q: %s, net/mail says %s", date, got, want)
		}
	})
}
