package admin

// Routes lists what a serves.
func Routes(a *Admin) []string {
	var all []string
	for _, r := range a.routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}
