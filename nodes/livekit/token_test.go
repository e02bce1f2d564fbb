package livekit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/webhook"

	"github.com/flowd/flowd/flows"
)

// receive is what LiveKit's own library says of a request.
func receive(k keys, token string, body []byte) error {
	_, err := webhook.Receive(&http.Request{
		Header: http.Header{"Authorization": {token}},
		Body:   io.NopCloser(bytes.NewReader(body)),
	}, k)
	return err
}

// written is a token of the header and claims given, as they stand there.
func written(header, claims string, secret flows.Secret) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac, err := jwt.SigningMethodHS256.Sign(signed, []byte(secret.Reveal()))
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac)
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

const goodHeader = `{"alg":"HS256","typ":"JWT"}`

var (
	twoKeys  = keys{"APIkey": "a secret of this test", "APIold": "an older one"}
	someBody = []byte(`{"event":"room_started"}`)
)

// Tokens that LiveKit's servers write don't go the long way: those of today,
// and those of the years before, whose claims are in the order of their names.
func TestLiveKitsOwnTokensAreVouchedFor(t *testing.T) {
	all, list := vectors(t)
	for _, v := range list {
		if v.LibraryError == "" && !keys(all).vouches(v.token, v.body) {
			t.Errorf("%s is not vouched for", v.Name)
		}
	}
	today, err := twoKeys.sign(someBody)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	before := fmt.Sprintf(`{"exp":%d,"iss":"APIkey","nbf":%d,"sha256":"%s"}`, now+300, now, sumOf(someBody))
	for _, token := range []string{today, written(goodHeader, before, twoKeys["APIkey"])} {
		if !twoKeys.vouches(token, someBody) {
			t.Errorf("%s is not vouched for", token)
		}
	}
}

// What vouches says must be what the library says, to the second: whatever it
// does not vouch for is left to the library anyway.
func TestNoTokenIsVouchedForThatTheLibraryRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := changesOf(time.Now().Unix())
		vouched := 0
		for i, first := range changes {
			for _, second := range changes[i:] {
				d := goodDraft(time.Now().Unix())
				first.apply(&d)
				second.apply(&d)
				token := d.token()
				if !twoKeys.vouches(token, d.body) {
					continue
				}
				vouched++
				if err := receive(twoKeys, token, d.body); err != nil {
					t.Fatalf("%s, %s: %q is vouched for, the library says %v", first.name, second.name, token, err)
				}
			}
		}
		if vouched < len(changes) {
			t.Errorf("only %d tokens were vouched for", vouched)
		}
	})
}

// A draft is what a token is made of.
type draft struct {
	header string
	claims []claim
	secret flows.Secret
	edit   func(token string) string
	body   []byte
}

type claim struct{ name, value string }

func goodDraft(now int64) draft {
	return draft{
		header: goodHeader,
		claims: []claim{
			{"iss", `"APIkey"`}, {"exp", fmt.Sprint(now + 300)}, {"nbf", fmt.Sprint(now)},
			{"iat", fmt.Sprint(now)}, {"sha256", `"` + sumOf(someBody) + `"`},
		},
		secret: twoKeys["APIkey"],
		edit:   func(token string) string { return token },
		body:   someBody,
	}
}

func (d draft) token() string {
	claims := make([]string, len(d.claims))
	for i, c := range d.claims {
		claims[i] = `"` + c.name + `":` + c.value
	}
	return d.edit(written(d.header, "{"+strings.Join(claims, ",")+"}", d.secret))
}

// A change makes another token of a draft: a good one too, or a bad one.
type change struct {
	name  string
	apply func(d *draft)
}

func changesOf(now int64) []change {
	var all []change
	add := func(name string, apply func(d *draft)) { all = append(all, change{name, apply}) }

	var times []string
	for _, off := range []int64{-300, -61, -60, -59, 0, 59, 60, 61, 300} {
		times = append(times, fmt.Sprint(now+off))
	}
	times = append(times, fmt.Sprintf("%d.5", now+60), fmt.Sprintf("%d.5", now-61), fmt.Sprintf("%de1", now/10), fmt.Sprintf(`"%d"`, now),
		fmt.Sprint(-now), fmt.Sprintf("0%d", now+60), "0", "00", "null", "true", "9999999999", "99999999999999999999", "1e400", "[]", "")
	sum := sumOf(someBody)
	values := map[string][]string{
		"iss": {`"APIkey"`, `"APIold"`, `"APIother"`, `""`, `"\u0041PIkey"`, `"APIkey\u0000"`, `null`, `7`, `["APIkey"]`, `"a,b"`, `"APIkey`, `APIkey`},
		"exp": times, "nbf": times, "iat": times[len(times)-12:],
		"sha256": {
			`"` + sum + `"`, `"` + strings.TrimRight(sum, "=") + `"`, `"` + sum + ` "`, `"` + sum + `\n"`, `""`, `null`, `"` + sumOf(nil) + `"`,
			`"` + strings.NewReplacer("+", "-", "/", "_").Replace(sum) + `"`, `"` + strings.ReplaceAll(sum, "/", `\/`) + `"`, `"` + strings.ToLower(sum) + `"`,
		},
		"aud": {`"APIkey"`, `["x"]`, `7`}, "sub": {`"someone"`, `7`}, "jti": {`"x"`}, "video": {`{"room":"r"}`, `7`}, "kind": {`"agent"`}, "": {`7`},
	}
	for name, list := range values {
		for _, v := range list {
			add(name+" is "+v, func(d *draft) {
				for i := range d.claims {
					if d.claims[i].name == name {
						d.claims[i].value = v
					}
				}
			})
			add(name+" is "+v+" too", func(d *draft) { d.claims = append(d.claims, claim{name, v}) })
		}
		for _, other := range []string{strings.ToUpper(name), `\u0065` + name} {
			add(other, func(d *draft) { d.claims = append(d.claims, claim{other, list[0]}) })
		}
		add("no "+name, func(d *draft) {
			d.claims = slices.DeleteFunc(d.claims, func(c claim) bool { return c.name == name })
		})
		add(name+" first", func(d *draft) {
			slices.SortStableFunc(d.claims, func(a, b claim) int {
				if (a.name == name) == (b.name == name) {
					return 0
				} else if a.name == name {
					return -1
				}
				return 1
			})
		})
	}
	for _, h := range []string{
		`{"typ":"JWT","alg":"HS256"}`, `{"alg":"none","typ":"JWT"}`, `{"alg":"HS384","typ":"JWT"}`, `{"alg":"RS256","typ":"JWT"}`,
		`{"alg":"hs256","typ":"JWT"}`, `{"alg":"HS256","typ":"JWT"} `, `{"alg":"HS256"}`, `{}`, ``, `[]`,
	} {
		add("header "+h, func(d *draft) { d.header = h })
	}
	for _, s := range []flows.Secret{twoKeys["APIold"], "", "guessed", twoKeys["APIkey"] + "x"} {
		add("another secret", func(d *draft) { d.secret = s })
	}
	for _, body := range []string{"", string(someBody) + "\n", strings.ToUpper(string(someBody))} {
		add("another body", func(d *draft) { d.body = []byte(body) })
	}
	for name, edit := range map[string]func(token string) string{
		"padded":           func(t string) string { return t + "=" },
		"a dot more":       func(t string) string { return t + "." },
		"unsigned":         func(t string) string { return t[:strings.LastIndexByte(t, '.')+1] },
		"a line end":       func(t string) string { return t + "\n" },
		"a line end in it": func(t string) string { return strings.Replace(t, ".", ".\n", 2) },
		"a space before":   func(t string) string { return " " + t },
		"Bearer":           func(t string) string { return "Bearer " + t },
		"cut short":        func(t string) string { return t[:len(t)-1] },
		"another end":      func(t string) string { return t[:len(t)-1] + string(t[len(t)-1]^1) },
		"nothing":          func(string) string { return "" },
	} {
		add(name, func(d *draft) { d.edit = edit })
	}
	return all
}

// FuzzAVouchedTokenIsGood signs whatever it is given with the right secret.
func FuzzAVouchedTokenIsGood(f *testing.F) {
	f.Add(`{"iss":"APIkey","exp":4070908800,"nbf":1704067200,"iat":1704067200,"sha256":"`+sumOf(someBody)+`"}`, someBody)
	f.Add(`{"exp":4070908800,"iss":"APIold","sha256":"`+sumOf(nil)+`"}`, []byte{})
	f.Fuzz(func(t *testing.T, claims string, body []byte) {
		token := written(goodHeader, claims, twoKeys["APIkey"])
		if !twoKeys.vouches(token, body) {
			return
		}
		if err := receive(twoKeys, token, body); err != nil {
			t.Errorf("%q is vouched for, the library says %v", claims, err)
		}
	})
}

func BenchmarkVerify(b *testing.B)        { benchmarkVerify(b, keys.verify) }
func BenchmarkVerifyLibrary(b *testing.B) { benchmarkVerify(b, receive) }

func benchmarkVerify(b *testing.B, verify func(k keys, token string, body []byte) error) {
	body := readFile(b, "participant_joined.json")
	token, err := twoKeys.sign(body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := verify(twoKeys, token, body); err != nil {
			b.Fatal(err)
		}
	}
}
