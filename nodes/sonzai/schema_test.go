package sonzai

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowd/flowd/engine/enginetest"
)

func TestEachKnownBodyFitsTheSchema(t *testing.T) {
	files, err := filepath.Glob("testdata/webhooks/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no bodies", err)
	}
	env, _ := newEnv()
	s := newTest(t, "secrets: "+secret, env)
	for _, file := range files {
		raw := readFile(t, "webhooks", filepath.Base(file))
		kind, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".json"), ".flat"), ".enveloped")
		in := &enginetest.Inlet{}
		post(t, s, in, "/sonzai/"+kind, sign(secret, time.Now(), raw), raw)
		for _, e := range in.Events() {
			if err := enginetest.Fits(schema(s.config), e); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

func TestATypeThatADocumentNamesIsKnown(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "secrets: {on_tea_ready: "+secret+"}", env)
	known := schema(s.config).Name("type")
	if !known.MayBeText("on_tea_ready") || known.Known[len(known.Known)-1] != "on_tea_ready" {
		t.Errorf("known are %q", known.Known)
	}
}

func TestOfNotificationsNoTypeIsAMistake(t *testing.T) {
	env, _ := newEnv()
	s := newTest(t, "poll: {api_key: sk_1, agents: [luna]}", env)
	if known := schema(s.config).Name("type"); len(known.Known) > 0 {
		t.Errorf("known are %q", known.Known)
	}
}
