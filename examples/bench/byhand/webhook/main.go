// Command webhook takes LiveKit's webhooks by hand: it reads the body, has
// LiveKit's own library verify the token, and answers. It does nothing with
// what it got, so it is what a relay can't be faster than.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/webhook"
)

func main() {
	provider := auth.NewSimpleKeyProvider(os.Getenv("KEY"), os.Getenv("SECRET"))
	http.HandleFunc("POST /livekit", func(w http.ResponseWriter, r *http.Request) {
		if _, err := webhook.Receive(r, provider); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
