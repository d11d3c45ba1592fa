package commands

// verbs is the list of all commands, in the order help shows them.
var verbs = []*verb{
	// build and run
	&buildVerb, &runVerb, &psVerb, &rmVerb,
	// containers
	&createVerb, &startVerb, &stopVerb, &restartVerb, &killVerb, &pauseVerb, &unpauseVerb, &waitVerb, &attachVerb, &execVerb, &logsVerb,
	&topVerb, &statsVerb, &updateVerb, &cpVerb, &diffVerb, &commitVerb, &exportVerb, &portVerb, &renameVerb, &containerPruneVerb,
	// images
	&imagesVerb, &pullVerb, &pushVerb, &tagVerb, &rmiVerb, &historyVerb, &saveVerb, &loadVerb, &importVerb,
	&untagVerb, &imageExistsVerb, &imagePruneVerb, &imageMountVerb, &imageUnmountVerb, &imageDiffVerb,
	&manifestCreateVerb, &manifestAddVerb, &manifestAnnotateVerb, &manifestInspectVerb, &manifestPushVerb,
	&manifestRemoveVerb, &manifestRmVerb, &manifestExistsVerb,
	&loginVerb, &logoutVerb,
	// everything
	&inspectVerb, &imageInspectVerb, &containerInspectVerb, &containerExistsVerb,
	&volumeLsVerb, &volumeCreateVerb, &volumeInspectVerb, &volumeRmVerb, &volumePruneVerb, &volumeExistsVerb,
	&builderPruneVerb, &builderDuVerb, &systemDfVerb, &systemPruneVerb, &systemCheckVerb,
	&eventsVerb,
	// dhow itself
	&infoVerb, &doctorVerb, &unshareVerb, &versionVerb, &completionVerb, &manVerb, &helpVerb, &completeVerb,
}
