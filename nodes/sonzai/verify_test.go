package sonzai

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/flowd/flowd/flows"
)

var classes = map[error]string{nil: "ok", errMissing: "missing", errExpired: "expired", errInvalid: "invalid", errBadSecret: "bad_secret"}

func TestEachSignatureIsJudgedAsSonzaisLibraryJudgesIt(t *testing.T) {
	var file struct {
		Cases []struct {
			Name      string `json:"name"`
			Secret    string `json:"secret"`
			Now       int64  `json:"now"`
			Tolerance int64  `json:"tolerance_s"`
			Header    string `json:"header"`
			Body      string `json:"body_b64"`
			Want      string `json:"want"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(readFile(t, "signatures.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			body, err := base64.StdEncoding.DecodeString(c.Body)
			if err != nil {
				t.Fatal(err)
			}
			err = verify(flows.Secret(c.Secret), c.Header, body, time.Unix(c.Now, 0), time.Duration(c.Tolerance)*time.Second)
			if classes[err] != c.Want {
				t.Errorf("got %q (%v), want %q", classes[err], err, c.Want)
			}
		})
	}
}

func TestASignatureHeader(t *testing.T) {
	body, now := []byte(`{}`), time.Unix(1_775_379_631, 0)
	good := sum(secret, now.Unix(), body)
	for _, c := range []struct {
		name, header string
		want         error
	}{
		{"of another secret beside the right one passes", "t=1775379631,v1=00,v1=" + good, nil},
		{"with spaces everywhere passes", " t=1775379631 , v1=" + good + " ", nil},
		{"that is empty is missing", "", errMissing},
		{"with a time that is no number is missing", "t=soon,v1=" + good, errMissing},
		{"with a time beyond 64 bits is missing", "t=99999999999999999999,v1=" + good, errMissing},
		{"of the end of time has expired", "t=9223372036854775807,v1=" + good, errExpired},
		{"of before all time has expired", "t=-9223372036854775808,v1=" + good, errExpired},
		{"whose hex is cut short is invalid", "t=1775379631,v1=" + good[:63], errInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := verify(secret, c.header, body, now, tolerance); err != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTheToleranceHoldsInBothDirections(t *testing.T) {
	at := time.Unix(1_775_379_631, 0)
	header := sign(secret, at, nil).Get(signatureHeader)
	for _, c := range []struct {
		off  time.Duration
		want error
	}{
		{tolerance, nil}, {-tolerance, nil}, {tolerance + time.Second, errExpired}, {-tolerance - time.Second, errExpired},
	} {
		if err := verify(secret, header, nil, at.Add(c.off), tolerance); err != c.want {
			t.Errorf("%s off: got %v, want %v", c.off, err, c.want)
		}
	}
	if err := verify(secret, header, nil, at.Add(1000*time.Hour), 0); err != nil {
		t.Errorf("without a tolerance: %v", err)
	}
}

func FuzzSignatureHeader(f *testing.F) {
	f.Add("t=1775379631,v1=645a4aa49e58110253f72f0566e6fccdb13c2141f019d2930d1407efff0ca748")
	f.Add("t=1,t=2, v1=a,v1=,v0=b")
	f.Add("t==,=,v1")
	f.Fuzz(func(t *testing.T, header string) {
		at, sums, err := parseSignature(header)
		if err == nil && (at == 0 || len(sums) == 0) {
			t.Fatalf("%q passes with t=%d and %d signatures", header, at, len(sums))
		}
		if verify(secret, header, []byte("a body nobody signed"), time.Unix(at, 0), tolerance) == nil {
			t.Fatalf("%q signs what it never saw", header)
		}
	})
}
