package commands

var tagVerb = verb{
	name: "tag", also: []string{"image tag"},
	short:   "Give an image one more name",
	usage:   "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	example: `dhow tag app registry.example.com/team/app:v1`,
	min:     2, max: 2, names: anImage,
	run: func(c *call) error {
		target, err := parseReference(c.Args().Get(1))
		if err != nil {
			return err
		}
		if _, err := c.image(c.Args().First()); err != nil {
			return err
		}
		if target.digest != "" {
			return errTagDigest
		}
		s, err := c.store()
		if err != nil {
			return err
		}
		return s.Tag(c.Args().First(), c.Args().Get(1))
	},
}
