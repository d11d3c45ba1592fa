package run

// Environment reads --env-file and -e as run does, the later stronger.
func Environment(files, values []string) ([]string, error) {
	var w wishes
	err := Options{Env: values, EnvFiles: files}.readEnv(&w)
	return w.Env, err
}
