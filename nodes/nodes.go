// Package nodes is the standard registry of node types.
package nodes

import (
	"github.com/flowd/flowd/engine"
	"github.com/flowd/flowd/engine/expr"
	"github.com/flowd/flowd/nodes/claude"
	"github.com/flowd/flowd/nodes/core"
	"github.com/flowd/flowd/nodes/exec"
	"github.com/flowd/flowd/nodes/files"
	"github.com/flowd/flowd/nodes/livekit"
	"github.com/flowd/flowd/nodes/slack"
	"github.com/flowd/flowd/nodes/sonzai"
	"github.com/flowd/flowd/nodes/sora"
	"github.com/flowd/flowd/nodes/web"
)

// All returns a registry of every node type that flowd has. A program that
// embeds the engine adds its own: All().With(mine).
func All() *engine.Registry {
	return engine.NewRegistry(expr.Language,
		livekit.Source, sora.Source, sonzai.Source, claude.Source,
		web.Webhook, files.Tail, files.Stdin, core.Inject, core.TopicIn,
		core.Filter, core.Switch, core.Transform, core.Dedupe, core.Split,
		core.Batch, core.Throttle, core.Delay, core.Aggregate, core.Silence,
		web.HTTP, slack.Sink, files.File, web.Respond, core.TopicOut, engine.Queue, core.Debug,
		exec.Exec,
	)
}
