// Package admin shows a running engine to people and machines over HTTP: its
// health, metrics for Prometheus, and an API to look at flows and events, to
// pause and reload flows, and to try dead letters again.
//
// # The path of a request
//
//  1. A server that a slow client can't hold takes it (server.go).
//  2. The guard lets it in or refuses it: by Host, Origin and token (guard.go).
//  3. The table of routes leads it on (admin.go): to health (health.go), to
//     the metrics (metrics.go), to what flows do (api.go, tap.go), or to the
//     dead letters (letters.go).
//
// openapi.json, served at /api/v1/openapi.json, describes every route; a test
// compares it with the table.
//
// # What holds
//
//  1. Off loopback nothing is served without a token.
//  2. With a token nothing but /healthz and /readyz is served without it, and
//     these name no flow, file or error then.
//  3. A request whose Host is not a name of this server, or whose Origin is
//     another one, is refused before anything is done: a page in a browser
//     can't reach the API by DNS rebinding or by posting across sites.
//  4. Of documents nothing is shown but the lines with mistakes, and of
//     payloads nothing but in dead letters and taps.
//  5. A client that reads slowly, or not at all, costs no flow anything: a tap
//     drops what does not fit.
package admin
