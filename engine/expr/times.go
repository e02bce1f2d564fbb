package expr

import (
	"time"

	"github.com/flowd/flowd/flows"
)

// now is the time it is, in UTC or in a time zone.
func now(_ *state, args []any) any {
	if len(args) == 1 {
		return time.Now().In(args[0].(*time.Location))
	}
	return time.Now().UTC()
}

// layouts are how date reads a text that comes without a layout.
var layouts = []string{
	time.RFC3339, time.DateOnly, time.TimeOnly, time.DateTime, time.RFC822, time.RFC850, time.RFC1123,
}

// date is date(text), date(text, layout), date(text, layout, zone), and each of
// them with a time zone before.
func date(s *state, args []any) any {
	in := time.UTC
	if zone, ok := args[0].(*time.Location); ok {
		in, args = zone, args[1:]
	}
	if len(args) == 0 {
		s.fail("date takes a text")
	}
	text := args[0].(string)
	s.scan(16 * len(text))
	s.spend(100)
	if len(args) == 3 {
		in = s.zone(args[2].(string))
	}
	try := layouts
	if len(args) > 1 {
		try = []string{args[1].(string)}
		s.scan(16 * len(try[0]))
	}
	for _, layout := range try {
		if t, err := time.ParseInLocation(layout, text, in); err == nil {
			return t
		}
	}
	s.fail("%s is no date that can be read", s.name(0))
	return nil
}

// duration is that of Go, with days: 1h30m, 7d.
func duration(s *state, args []any) any {
	text := args[0].(string)
	s.scan(8 * len(text))
	d, err := time.ParseDuration(text)
	if err == nil {
		return d
	}
	var days flows.Duration
	if days.UnmarshalText([]byte(text)) != nil {
		s.fail("%s is no duration like 250ms, 5m, 1h30m or 7d", s.name(0))
	}
	return time.Duration(days)
}

func timezone(s *state, args []any) any { return s.zone(args[0].(string)) }

func (s *state) zone(name string) *time.Location {
	s.spend(20_000) // it is read from a file
	s.take(32 << 10)
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		s.fail("unknown time zone: want one like Asia/Tokyo or UTC")
	}
	return zone
}

// methods are the functions of times and durations by name; the value they
// belong to is their first argument.
var methods = map[string]*function{
	"Year":       ofTime(func(t time.Time) int { return t.Year() }),
	"Month":      ofTime(func(t time.Time) int { return int(t.Month()) }),
	"Day":        ofTime(func(t time.Time) int { return t.Day() }),
	"Hour":       ofTime(func(t time.Time) int { return t.Hour() }),
	"Minute":     ofTime(func(t time.Time) int { return t.Minute() }),
	"Second":     ofTime(func(t time.Time) int { return t.Second() }),
	"Nanosecond": ofTime(func(t time.Time) int { return t.Nanosecond() }),
	"Weekday":    ofTime(func(t time.Time) int { return int(t.Weekday()) }),
	"YearDay":    ofTime(func(t time.Time) int { return t.YearDay() }),
	"Unix":       ofTime(func(t time.Time) int { return int(t.Unix()) }),
	"UnixMilli":  ofTime(func(t time.Time) int { return int(t.UnixMilli()) }),
	"UnixNano":   ofTime(func(t time.Time) int { return int(t.UnixNano()) }),
	"UTC": {takes: []kinds{isTime}, gives: isTime, run: func(_ *state, args []any) any {
		return args[0].(time.Time).UTC()
	}},
	"In": {takes: []kinds{isTime, isZone | isText}, gives: isTime, run: func(s *state, args []any) any {
		zone, ok := args[1].(*time.Location)
		if !ok {
			zone = s.zone(args[1].(string))
		}
		return args[0].(time.Time).In(zone)
	}},
	"Format": {takes: []kinds{isTime, isText}, gives: isText, run: func(s *state, args []any) any {
		layout := args[1].(string)
		s.take(16 * len(layout)) // the longest that a part of a layout grows
		s.spend(20 + 4*len(layout))
		return args[0].(time.Time).Format(layout)
	}},
	"Add": {takes: []kinds{isTime, isDuration}, gives: isTime, run: func(s *state, args []any) any {
		return s.add(args[0], args[1])
	}},
	"Sub": {takes: []kinds{isTime, isTime}, gives: isDuration, run: func(s *state, args []any) any {
		return s.subtract(args[0], args[1])
	}},
	"AddDate": {takes: []kinds{isTime, isNumber, isNumber, isNumber}, gives: isTime, run: func(s *state, args []any) any {
		years, months, days := s.whole(args, 1), s.whole(args, 2), s.whole(args, 3)
		return args[0].(time.Time).AddDate(int(years), int(months), int(days))
	}},
	"Before": betweenTimes(func(t, u time.Time) bool { return t.Before(u) }),
	"After":  betweenTimes(func(t, u time.Time) bool { return t.After(u) }),
	"Equal":  betweenTimes(func(t, u time.Time) bool { return t.Equal(u) }),
	"Truncate": {takes: []kinds{isTime, isDuration}, gives: isTime, run: func(_ *state, args []any) any {
		return args[0].(time.Time).Truncate(args[1].(time.Duration))
	}},
	"Hours":        ofDuration(time.Duration.Hours),
	"Minutes":      ofDuration(time.Duration.Minutes),
	"Seconds":      ofDuration(time.Duration.Seconds),
	"Milliseconds": ofDuration(func(d time.Duration) float64 { return float64(d.Milliseconds()) }),
	"String":       {takes: []kinds{isDuration | isTime}, gives: isText, run: func(s *state, args []any) any { return s.text(args[0]) }},
}

func ofTime(f func(time.Time) int) *function {
	return &function{takes: []kinds{isTime}, gives: isNumber, run: func(_ *state, args []any) any {
		return int64(f(args[0].(time.Time)))
	}}
}

func betweenTimes(f func(t, u time.Time) bool) *function {
	return &function{takes: []kinds{isTime, isTime}, gives: isBool, run: func(_ *state, args []any) any {
		return f(args[0].(time.Time), args[1].(time.Time))
	}}
}

func ofDuration(f func(time.Duration) float64) *function {
	return &function{takes: []kinds{isDuration}, gives: isNumber, run: func(_ *state, args []any) any {
		return f(args[0].(time.Duration))
	}}
}
