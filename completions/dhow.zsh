#compdef dhow
# zsh completion for dhow; made from its list of commands, do not edit
_dhow_names() {
	local -a names
	names=(${(f)"$(dhow __complete $1 2>/dev/null)"})
	compadd -a names
}
_dhow() {
	local curcontext=$curcontext state line verb
	local -a commands
	_arguments -C '--root[keep everything below this directory]:directory:_files -/' '--config[directory of config.json]:directory:_files -/' '--help' '--version' '1: :->verb' '*:: :->rest' && return
	case $state in
	verb)
		commands=(
			'attach:Connect to a running container'\''s input and output'
			'bud:Build an image from a Dockerfile'
			'build:Build an image from a Dockerfile'
			'builder:commands for builders'
			'buildx:commands for buildxs'
			'commit:Make an image of what a container has changed'
			'completion:Print completion for a shell'
			'container:commands for containers'
			'cp:Copy files between a container and the host'
			'create:Make a container without starting it'
			'diff:Show what a container has changed'
			'doctor:Tell what this host lacks, what is used instead, and the cure'
			'exec:Run a command in a running container'
			'export:Write a container'\''s filesystem as a tar'
			'help:Show help for a command'
			'history:Show the steps an image was made of'
			'image:commands for images'
			'images:List images'
			'import:Make an image of a tar of a root filesystem'
			'info:Show what dhow found on this host and what it keeps'
			'inspect:Show all about containers, images or volumes'
			'kill:Send a signal to running containers, SIGKILL at first'
			'load:Read images from an archive'
			'login:Keep an account of a registry'
			'logout:Forget an account of a registry'
			'logs:Show what a container has written'
			'man:Print the manual page'
			'manifest:commands for manifests'
			'pause:Stop all processes of containers where they are'
			'port:Show the published ports of a container'
			'ps:List containers'
			'pull:Download an image from a registry'
			'push:Upload an image to a registry'
			'rename:Give a container another name'
			'restart:Stop and start containers'
			'rm:Remove containers'
			'rmi:Remove images'
			'run:Run a command in a new container'
			'save:Write images to an archive'
			'start:Start containers that do not run'
			'stats:Show what containers use of the machine'
			'stop:Stop running containers'
			'system:commands for systems'
			'tag:Give an image one more name'
			'top:Show the processes of a container'
			'unpause:Let paused containers go on'
			'unshare:Run a program of the host where dhow'\''s commands run'
			'untag:Take names away from an image'
			'update:Change what containers may use of the machine'
			'version:Show the version'
			'volume:commands for volumes'
			'wait:Wait until containers have ended and print their exit statuses'
		)
		_describe command commands
		;;
	rest)
		verb=$words[1]
		case $verb in
		builder)
			if ((CURRENT == 2)); then compadd build prune; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		buildx)
			if ((CURRENT == 2)); then compadd b build prune; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		container)
			if ((CURRENT == 2)); then compadd attach commit cp create diff exec export inspect kill list logs ls pause port prune ps remove rename restart rm run start stats stop top unpause update wait; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		image)
			if ((CURRENT == 2)); then compadd build exists history import inspect list load ls prune pull push remove rm save tag untag; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		manifest)
			if ((CURRENT == 2)); then compadd add annotate create exists inspect push remove rm; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		system)
			if ((CURRENT == 2)); then compadd check df doctor info prune; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		volume)
			if ((CURRENT == 2)); then compadd create exists inspect list ls prune remove rm; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		esac
		case $verb in
		'build'|'image build'|'builder build'|'buildx build'|'buildx b'|'bud')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts of RUN steps]: :_files' \
				'*--build-arg=[Set an ARG; NAME alone takes it from the environment]: :_files' \
				'*--build-context=[Name one more context, a directory or docker-image //REF]: :_files' \
				'*--file=[The Dockerfile; "-" is stdin]: :_files' \
				'*-f+[The Dockerfile; "-" is stdin]: :_files' \
				'*--iidfile=[Write the image'\''s id to a file]: :_files' \
				'*--label=[Set a label]: :_files' \
				'*--load[Keep the result in the store, as always]' \
				'*--network=[Network of RUN steps  default, none or host]: :(bridge none host)' \
				'*--no-cache[Carry out every step again]' \
				'*--platform=[Platform to build for]: :_files' \
				'*--progress=[How to show progress  auto, plain, tty, rawjson or quiet (BUILDKIT_PROGRESS)]: :(auto plain tty rawjson quiet)' \
				'*--pull=-[Ask the registry for newer base images; =never asks for none]: :(always missing never)' \
				'*--quiet[Print nothing but the image'\''s id]' \
				'*-q[Print nothing but the image'\''s id]' \
				'*--secret=[Give a secret to RUN steps; or id=name,env=variable]: :_files' \
				'*--tag=[Name the result]: :_files' \
				'*-t+[Name the result]: :_files' \
				'*--target=[Build this stage]: :_files' \
				'*: :_files'
			;;
		'run'|'container run')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts]: :_files' \
				'*--annotation=[Add an annotation to the runtime'\''s specification]: :_files' \
				'*--attach=[Connect only to this one  stdin, stdout, stderr]: :_files' \
				'*-a+[Connect only to this one  stdin, stdout, stderr]: :_files' \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :_files' \
				'*--cap-add=[Add a capability]: :_files' \
				'*--cap-drop=[Drop a capability, or ALL]: :_files' \
				'*--cgroup-parent=[Make the container'\''s control group below this one]: :_files' \
				'*--cgroupns=[Cgroup namespace  private (the default) or host]: :_files' \
				'*--cidfile=[Write the container'\''s id to a file]: :_files' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :_files' \
				'*--cpu-quota=[Processor time in each period]: :_files' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*--cpus=[Processors at most  1.5]: :_files' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :_files' \
				'*--cpuset-mems=[Use these memory nodes alone]: :_files' \
				'*--detach[Run in the background and print the container'\''s id]' \
				'*-d[Run in the background and print the container'\''s id]' \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :_files' \
				'*--device=[Give a device of the host, or a directory of them, that the caller may open]: :_files' \
				'*--device-read-bps=[Bytes a second read from a device at most  /dev/sda 1mb]: :_files' \
				'*--device-read-iops=[Reads a second from a device at most]: :_files' \
				'*--device-write-bps=[Bytes a second written to a device at most]: :_files' \
				'*--device-write-iops=[Writes a second to a device at most]: :_files' \
				'*--dns=[Ask this address for names instead of the host'\''s resolvers]: :_files' \
				'*--dns-option=[Set a resolver option]: :_files' \
				'*--dns-search=[Set a search domain]: :_files' \
				'*--domainname=[NIS domain name]: :_files' \
				'*--entrypoint=[Run this program instead of the image'\''s entrypoint]: :_files' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--env-host[Pass all of the caller'\''s variables on]' \
				'*--expose=[Make a port known, as EXPOSE of an image does  80, 53/udp, 8000-8010]: :_files' \
				'*--group-add=[Join one more group; keep-groups keeps the caller'\''s]: :_files' \
				'*--hostname=[Host name]: :_files' \
				'*-h+[Host name]: :_files' \
				'*--http-proxy[Pass the proxies of the configuration on (default true)]' \
				'*--init[Run an init that passes signals on and reaps processes]' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--ipc=[Shared memory and queues  private, shareable, none, host or container NAME]: :_files' \
				'*--label=[Set metadata]: :_files' \
				'*-l+[Set metadata]: :_files' \
				'*--label-file=[Read labels from a file]: :_files' \
				'*--log-driver=[How the output is kept  json-file (the default) or none]: :_files' \
				'*--log-opt=[Bound the log  max-size=10m, max-file=3]: :_files' \
				'*--memory=[Memory at most  512m]: :_files' \
				'*-m+[Memory at most  512m]: :_files' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :_files' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :_files' \
				'*--mount=[Mount something  type=bind|volume|tmpfs|image,src=…,dst=…(,ro)]: :_files' \
				'*--name=[Name of the container]: :_files' \
				'*--network=[Network  bridge (a private one, the default), none, host or container NAME]: :(bridge none host)' \
				'*--no-hosts[Leave the image'\''s /etc/hosts]' \
				'*--oom-score-adj=[How likely the kernel kills it when memory is used up, -1000 to 1000]: :_files' \
				'*--pid=[Processes  private, host or container NAME]: :_files' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :_files' \
				'*--platform=[Platform of the image]: :_files' \
				'*--privileged[Give all capabilities, all devices the caller may open, and hide nothing]' \
				'*--publish=[Open a port of the host that leads to one of the container; 53/udp for UDP]: :_files' \
				'*-p+[Open a port of the host that leads to one of the container; 53/udp for UDP]: :_files' \
				'*--publish-all[Publish every exposed port to a free one of the host]' \
				'*-P[Publish every exposed port to a free one of the host]' \
				'*--pull=[Pull the image before  always, missing, newer or never (default "missing")]: :(always missing never)' \
				'*--quiet[Show no progress of a pull]' \
				'*-q[Show no progress of a pull]' \
				'*--read-only[Mount the root filesystem read-only]' \
				'*--replace[Remove a container that has the name before]' \
				'*--rm[Remove the container when it ends]' \
				'*--security-opt=[Security option  no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=PATH|ALL, systempaths=unconfined, proc-opts=OPTIONS]: :_files' \
				'*--shm-size=[Size of /dev/shm]: :_files' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'*--stop-signal=[Signal that stops the container]: :_files' \
				'*--stop-timeout=[Time between the stop signal and the kill]: :_files' \
				'*--sysctl=[Set a kernel parameter]: :_files' \
				'*--timeout=[Kill the container when it has run this long]: :_files' \
				'*--tmpfs=[Mount a tmpfs]: :_files' \
				'*--tty[Give the container a terminal]' \
				'*-t[Give the container a terminal]' \
				'*--ulimit=[Set a limit]: :_files' \
				'*--umask=[The umask of the container'\''s process]: :_files' \
				'*--unsetenv=[Take a variable of the image away]: :_files' \
				'*--user=[Run as this user, by name or number]: :_files' \
				'*-u+[Run as this user, by name or number]: :_files' \
				'*--userns=[User namespace  host (the default), or keep-id( uid=N,gid=N) to see the caller'\''s own ids]: :_files' \
				'*--uts=[Host name  private or host]: :_files' \
				'*--volume=[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*-v+[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*--volume-driver=[Driver of new volumes  local]: :_files' \
				'*--volumes-from=[Mount the volumes and directories of a container too]: :_files' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names image' '*::command:_normal'
			;;
		'ps'|'container ls'|'container list'|'container ps')
			_arguments -s \
				'*--all[Show containers that do not run, too]' \
				'*-a[Show containers that do not run, too]' \
				'*--filter=[Show only containers for which key=value holds]: :_files' \
				'*-f+[Show only containers for which key=value holds]: :_files' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--last=[Show the number of containers created last]: :_files' \
				'*-n+[Show the number of containers created last]: :_files' \
				'*--latest[Show the container created last]' \
				'*-l[Show the container created last]' \
				'*--no-trunc[Show whole ids and commands]' \
				'*--quiet[Show only ids]' \
				'*-q[Show only ids]' \
				'*--size[Show how much each container has written]' \
				'*-s[Show how much each container has written]'
			;;
		'rm'|'container rm'|'container remove')
			_arguments -s \
				'*--force[Kill the container when it runs]' \
				'*-f[Kill the container when it runs]' \
				'*--volumes[Remove its anonymous volumes too]' \
				'*-v[Remove its anonymous volumes too]' \
				'*: : _dhow_names container'
			;;
		'create'|'container create')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts]: :_files' \
				'*--annotation=[Add an annotation to the runtime'\''s specification]: :_files' \
				'*--attach=[Connect only to this one  stdin, stdout, stderr]: :_files' \
				'*-a+[Connect only to this one  stdin, stdout, stderr]: :_files' \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :_files' \
				'*--cap-add=[Add a capability]: :_files' \
				'*--cap-drop=[Drop a capability, or ALL]: :_files' \
				'*--cgroup-parent=[Make the container'\''s control group below this one]: :_files' \
				'*--cgroupns=[Cgroup namespace  private (the default) or host]: :_files' \
				'*--cidfile=[Write the container'\''s id to a file]: :_files' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :_files' \
				'*--cpu-quota=[Processor time in each period]: :_files' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*--cpus=[Processors at most  1.5]: :_files' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :_files' \
				'*--cpuset-mems=[Use these memory nodes alone]: :_files' \
				'*--device=[Give a device of the host, or a directory of them, that the caller may open]: :_files' \
				'*--device-read-bps=[Bytes a second read from a device at most  /dev/sda 1mb]: :_files' \
				'*--device-read-iops=[Reads a second from a device at most]: :_files' \
				'*--device-write-bps=[Bytes a second written to a device at most]: :_files' \
				'*--device-write-iops=[Writes a second to a device at most]: :_files' \
				'*--dns=[Ask this address for names instead of the host'\''s resolvers]: :_files' \
				'*--dns-option=[Set a resolver option]: :_files' \
				'*--dns-search=[Set a search domain]: :_files' \
				'*--domainname=[NIS domain name]: :_files' \
				'*--entrypoint=[Run this program instead of the image'\''s entrypoint]: :_files' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--env-host[Pass all of the caller'\''s variables on]' \
				'*--expose=[Make a port known, as EXPOSE of an image does  80, 53/udp, 8000-8010]: :_files' \
				'*--group-add=[Join one more group; keep-groups keeps the caller'\''s]: :_files' \
				'*--hostname=[Host name]: :_files' \
				'*-h+[Host name]: :_files' \
				'*--http-proxy[Pass the proxies of the configuration on (default true)]' \
				'*--init[Run an init that passes signals on and reaps processes]' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--ipc=[Shared memory and queues  private, shareable, none, host or container NAME]: :_files' \
				'*--label=[Set metadata]: :_files' \
				'*-l+[Set metadata]: :_files' \
				'*--label-file=[Read labels from a file]: :_files' \
				'*--log-driver=[How the output is kept  json-file (the default) or none]: :_files' \
				'*--log-opt=[Bound the log  max-size=10m, max-file=3]: :_files' \
				'*--memory=[Memory at most  512m]: :_files' \
				'*-m+[Memory at most  512m]: :_files' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :_files' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :_files' \
				'*--mount=[Mount something  type=bind|volume|tmpfs|image,src=…,dst=…(,ro)]: :_files' \
				'*--name=[Name of the container]: :_files' \
				'*--network=[Network  bridge (a private one, the default), none, host or container NAME]: :(bridge none host)' \
				'*--no-hosts[Leave the image'\''s /etc/hosts]' \
				'*--oom-score-adj=[How likely the kernel kills it when memory is used up, -1000 to 1000]: :_files' \
				'*--pid=[Processes  private, host or container NAME]: :_files' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :_files' \
				'*--platform=[Platform of the image]: :_files' \
				'*--privileged[Give all capabilities, all devices the caller may open, and hide nothing]' \
				'*--publish=[Open a port of the host that leads to one of the container; 53/udp for UDP]: :_files' \
				'*-p+[Open a port of the host that leads to one of the container; 53/udp for UDP]: :_files' \
				'*--publish-all[Publish every exposed port to a free one of the host]' \
				'*-P[Publish every exposed port to a free one of the host]' \
				'*--pull=[Pull the image before  always, missing, newer or never (default "missing")]: :(always missing never)' \
				'*--quiet[Show no progress of a pull]' \
				'*-q[Show no progress of a pull]' \
				'*--read-only[Mount the root filesystem read-only]' \
				'*--replace[Remove a container that has the name before]' \
				'*--rm[Remove the container when it ends]' \
				'*--security-opt=[Security option  no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=PATH|ALL, systempaths=unconfined, proc-opts=OPTIONS]: :_files' \
				'*--shm-size=[Size of /dev/shm]: :_files' \
				'*--stop-signal=[Signal that stops the container]: :_files' \
				'*--stop-timeout=[Time between the stop signal and the kill]: :_files' \
				'*--sysctl=[Set a kernel parameter]: :_files' \
				'*--timeout=[Kill the container when it has run this long]: :_files' \
				'*--tmpfs=[Mount a tmpfs]: :_files' \
				'*--tty[Give the container a terminal]' \
				'*-t[Give the container a terminal]' \
				'*--ulimit=[Set a limit]: :_files' \
				'*--umask=[The umask of the container'\''s process]: :_files' \
				'*--unsetenv=[Take a variable of the image away]: :_files' \
				'*--user=[Run as this user, by name or number]: :_files' \
				'*-u+[Run as this user, by name or number]: :_files' \
				'*--userns=[User namespace  host (the default), or keep-id( uid=N,gid=N) to see the caller'\''s own ids]: :_files' \
				'*--uts=[Host name  private or host]: :_files' \
				'*--volume=[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*-v+[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*--volume-driver=[Driver of new volumes  local]: :_files' \
				'*--volumes-from=[Mount the volumes and directories of a container too]: :_files' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names image' '*::command:_normal'
			;;
		'start'|'container start')
			_arguments -s \
				'*--attach[Show the output, pass signals on, and end with the container'\''s exit status]' \
				'*-a[Show the output, pass signals on, and end with the container'\''s exit status]' \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :_files' \
				'*--interactive[Pass stdin on]' \
				'*-i[Pass stdin on]' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'*: : _dhow_names container'
			;;
		'stop'|'container stop')
			_arguments -s \
				'*--signal=[Signal to ask with instead of the container'\''s own]: :_files' \
				'*-s+[Signal to ask with instead of the container'\''s own]: :_files' \
				'*--timeout=[Time before the kill; -1 waits for ever]: :_files' \
				'*-t+[Time before the kill; -1 waits for ever]: :_files' \
				'*: : _dhow_names container'
			;;
		'restart'|'container restart')
			_arguments -s \
				'*--signal=[Signal to ask with instead of the container'\''s own]: :_files' \
				'*-s+[Signal to ask with instead of the container'\''s own]: :_files' \
				'*--timeout=[Time before the kill; -1 waits for ever]: :_files' \
				'*-t+[Time before the kill; -1 waits for ever]: :_files' \
				'*: : _dhow_names container'
			;;
		'kill'|'container kill')
			_arguments -s \
				'*--signal=[Signal, by name or number]: :_files' \
				'*-s+[Signal, by name or number]: :_files' \
				'*: : _dhow_names container'
			;;
		'pause'|'container pause')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'unpause'|'container unpause')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'wait'|'container wait')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'attach'|'container attach')
			_arguments -s \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :_files' \
				'*--no-stdin[Pass no input on]' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'*: : _dhow_names container'
			;;
		'exec'|'container exec')
			_arguments -s \
				'*--detach[Do not wait for the command]' \
				'*-d[Do not wait for the command]' \
				'*--detach-keys=[Keys that leave the command running, ctrl-p,ctrl-q]: :_files' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :_files' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--privileged[Give the command all capabilities of the container'\''s user namespace]' \
				'*--tty[Give the command a terminal]' \
				'*-t[Give the command a terminal]' \
				'*--user=[Run as this user, by name or number]: :_files' \
				'*-u+[Run as this user, by name or number]: :_files' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names container' '*::command:_normal'
			;;
		'logs'|'container logs')
			_arguments -s \
				'*--details[Show extra attributes; this log has none]' \
				'*--follow[Go on with what is written]' \
				'*-f[Go on with what is written]' \
				'*--since=[Show only what was written since]: :_files' \
				'*--tail=[Show only the last lines (default "all")]: :_files' \
				'*-n+[Show only the last lines (default "all")]: :_files' \
				'*--timestamps[Show when each line was written]' \
				'*-t[Show when each line was written]' \
				'*--until=[Show only what was written before]: :_files' \
				'*: : _dhow_names container'
			;;
		'top'|'container top')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'stats'|'container stats')
			_arguments -s \
				'*--all[Show containers that do not run, too]' \
				'*-a[Show containers that do not run, too]' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--no-stream[Show one measurement and end]' \
				'*--no-trunc[Show whole ids]' \
				'*: : _dhow_names container'
			;;
		'update'|'container update')
			_arguments -s \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :_files' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :_files' \
				'*--cpu-quota=[Processor time in each period]: :_files' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :_files' \
				'*--cpus=[Processors at most  1.5]: :_files' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :_files' \
				'*--cpuset-mems=[Use these memory nodes alone]: :_files' \
				'*--memory=[Memory at most  512m]: :_files' \
				'*-m+[Memory at most  512m]: :_files' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :_files' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :_files' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :_files' \
				'*: : _dhow_names container'
			;;
		'cp'|'container cp')
			_arguments -s \
				'*--archive[Keep user and group ids]' \
				'*-a[Keep user and group ids]' \
				'*--follow-link[Copy what a symlink SRC leads to]' \
				'*-L[Copy what a symlink SRC leads to]' \
				'*--quiet[Show neither progress nor result; that is so when stdout is no terminal]' \
				'*-q[Show neither progress nor result; that is so when stdout is no terminal]' \
				'*: : _dhow_names container'
			;;
		'diff'|'container diff')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'commit'|'container commit')
			_arguments -s \
				'*--author=[Author of the image]: :_files' \
				'*-a+[Author of the image]: :_files' \
				'*--change=[Apply a Dockerfile instruction to the image'\''s configuration]: :_files' \
				'*-c+[Apply a Dockerfile instruction to the image'\''s configuration]: :_files' \
				'*--message=[Set the comment in the image'\''s history]: :_files' \
				'*-m+[Set the comment in the image'\''s history]: :_files' \
				'*--no-pause[Let the container go on meanwhile]' \
				'*--pause[Pause the container meanwhile, where it has a control group (default true)]' \
				'*-p[Pause the container meanwhile, where it has a control group (default true)]' \
				'*: : _dhow_names container'
			;;
		'export'|'container export')
			_arguments -s \
				'*--output=[Write to a file instead of stdout]: :_files' \
				'*-o+[Write to a file instead of stdout]: :_files' \
				'*: : _dhow_names container'
			;;
		'port'|'container port')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'rename'|'container rename')
			_arguments -s \
				'*: : _dhow_names container'
			;;
		'container prune')
			_arguments -s \
				'*--filter=[Remove only those for which key=value holds]: :_files' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'images'|'image ls'|'image list')
			_arguments -s \
				'*--all[Show all images; dhow keeps no intermediate ones]' \
				'*-a[Show all images; dhow keeps no intermediate ones]' \
				'*--digests[Show digests]' \
				'*--filter=[Show only images for which key=value holds]: :_files' \
				'*-f+[Show only images for which key=value holds]: :_files' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--no-trunc[Show whole ids]' \
				'*--quiet[Show only ids]' \
				'*-q[Show only ids]' \
				'*--tree[Draw which image builds on which, with the sizes shared with others and its own]' \
				'*: : _dhow_names image'
			;;
		'pull'|'image pull')
			_arguments -s \
				'*--all-platforms[Pull every platform of an index, and its attestations]' \
				'*--all-tags[Pull every tag the registry has of NAME]' \
				'*-a[Pull every tag the registry has of NAME]' \
				'*--platform=[Pull the image for this platform]: :_files' \
				'*--quiet[Print nothing but the image'\''s full name]' \
				'*-q[Print nothing but the image'\''s full name]' \
				'*: : _dhow_names image'
			;;
		'push'|'image push')
			_arguments -s \
				'*--all-tags[Push every tag that NAME has here]' \
				'*-a[Push every tag that NAME has here]' \
				'*--compression-format=[Compress layers with gzip or zstd, also where the registry has them in another form]: :_files' \
				'*--compression-level=[1 to 9 for gzip, 1 to 20 for zstd]: :_files' \
				'*--digestfile=[Write the digest of the pushed manifest to a file]: :_files' \
				'*--platform=[Push only this platform of an index, as an image of its own]: :_files' \
				'*--quiet[Print nothing but the image'\''s full name]' \
				'*-q[Print nothing but the image'\''s full name]' \
				'*: : _dhow_names image'
			;;
		'tag'|'image tag')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'rmi'|'image rm'|'image remove')
			_arguments -s \
				'*--force[Remove although a stopped container uses the image]' \
				'*-f[Remove although a stopped container uses the image]' \
				'*--platform=[Remove only this platform of an index]: :_files' \
				'*: : _dhow_names image'
			;;
		'history'|'image history')
			_arguments -s \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--human[Show sizes and times for people; --human=false shows bytes and timestamps (default true)]' \
				'*-H[Show sizes and times for people; --human=false shows bytes and timestamps (default true)]' \
				'*--no-trunc[Show whole ids and commands]' \
				'*--platform=[Show the history of this platform of an index]: :_files' \
				'*--quiet[Show only ids]' \
				'*-q[Show only ids]' \
				'*: : _dhow_names image'
			;;
		'save'|'image save')
			_arguments -s \
				'*--format=["docker-archive", "oci-archive", or the directories "oci-dir" and "docker-dir" (default "docker-archive")]: :_files' \
				'*--output=[Write to a file instead of stdout, or to a directory]: :_files' \
				'*-o+[Write to a file instead of stdout, or to a directory]: :_files' \
				'*--platform=[Write only this platform of an index]: :_files' \
				'*: : _dhow_names image'
			;;
		'load'|'image load')
			_arguments -s \
				'*--input=[Read from a file or directory instead of stdin]: :_files' \
				'*-i+[Read from a file or directory instead of stdin]: :_files' \
				'*--platform=[Read only this platform of an index]: :_files' \
				'*--quiet[Show no progress]' \
				'*-q[Show no progress]' \
				'*: :_files'
			;;
		'import'|'image import')
			_arguments -s \
				'*--change=[Apply a Dockerfile instruction to the image'\''s configuration]: :_files' \
				'*-c+[Apply a Dockerfile instruction to the image'\''s configuration]: :_files' \
				'*--message=[Set the comment in the image'\''s history]: :_files' \
				'*-m+[Set the comment in the image'\''s history]: :_files' \
				'*--platform=[Platform of the image]: :_files' \
				'*: :_files'
			;;
		'untag'|'image untag')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'image exists')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'image prune')
			_arguments -s \
				'*--all[Remove images with names too]' \
				'*-a[Remove images with names too]' \
				'*--filter=[Remove only images for which key=value holds]: :_files' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'manifest create')
			_arguments -s \
				'*--all[Take every image of an index]' \
				'*--amend[Add to a list that is there]' \
				'*-a[Add to a list that is there]' \
				'*--annotation=[Annotate the index]: :_files' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*: : _dhow_names image'
			;;
		'manifest add')
			_arguments -s \
				'*--all[Take every image of an index]' \
				'*--annotation=[Annotate the entry]: :_files' \
				'*--arch=[Set the architecture]: :_files' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--os=[Set the operating system]: :_files' \
				'*--os-features=[Set the features of the operating system]: :_files' \
				'*--os-version=[Set the version of the operating system]: :_files' \
				'*--variant=[Set the variant of the architecture]: :_files' \
				'*: : _dhow_names image'
			;;
		'manifest annotate')
			_arguments -s \
				'*--annotation=[Annotate the entry]: :_files' \
				'*--arch=[Set the architecture]: :_files' \
				'*--os=[Set the operating system]: :_files' \
				'*--os-features=[Set the features of the operating system]: :_files' \
				'*--os-version=[Set the version of the operating system]: :_files' \
				'*--variant=[Set the variant of the architecture]: :_files' \
				'*: : _dhow_names image'
			;;
		'manifest inspect')
			_arguments -s \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--verbose[Show the manifests an index names, with their descriptors]' \
				'*-v[Show the manifests an index names, with their descriptors]' \
				'*: : _dhow_names image'
			;;
		'manifest push')
			_arguments -s \
				'*--all[Push the images of the list too; that is always so]' \
				'*--digestfile=[Write the digest of the index to a file]: :_files' \
				'*--format=[or docker  an OCI index or docker'\''s manifest list, and images alike]: :_files' \
				'*-f+[or docker  an OCI index or docker'\''s manifest list, and images alike]: :_files' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--purge[Delete the list here when it is pushed]' \
				'*-p[Delete the list here when it is pushed]' \
				'*--quiet[Show no progress]' \
				'*-q[Show no progress]' \
				'*: : _dhow_names image'
			;;
		'manifest remove')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'manifest rm')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'manifest exists')
			_arguments -s \
				'*: : _dhow_names image'
			;;
		'login')
			_arguments -s \
				'*--password=[or token; seen by everybody who lists processes]: :_files' \
				'*-p+[or token; seen by everybody who lists processes]: :_files' \
				'*--password-stdin[Read the password from stdin]' \
				'*--username=[of the user]: :_files' \
				'*-u+[of the user]: :_files'
			;;
		'logout')
			_arguments -s
			;;
		'inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files' \
				'*--size[Show the sizes of containers]' \
				'*-s[Show the sizes of containers]' \
				'*--type=[Look only for this kind  container, image or volume]: :_files' \
				'*: : _dhow_names object'
			;;
		'image inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files' \
				'*--platform=[Show this platform of an index]: :_files' \
				'*: : _dhow_names image'
			;;
		'container inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files' \
				'*--size[Show how much was written (SizeRw) and all sizes together (SizeRootFs)]' \
				'*-s[Show how much was written (SizeRw) and all sizes together (SizeRootFs)]' \
				'*: : _dhow_names container'
			;;
		'volume ls'|'volume list')
			_arguments -s \
				'*--filter=[Show only volumes for which key=value holds]: :_files' \
				'*-f+[Show only volumes for which key=value holds]: :_files' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--quiet[Show only names]' \
				'*-q[Show only names]'
			;;
		'volume create')
			_arguments -s \
				'*--driver=[The only one is local (default "local")]: :_files' \
				'*-d+[The only one is local (default "local")]: :_files' \
				'*--label=[Set metadata]: :_files' \
				'*--opt=[Option of the driver  type, device, o]: :_files' \
				'*-o+[Option of the driver  type, device, o]: :_files'
			;;
		'volume inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files' \
				'*: : _dhow_names volume'
			;;
		'volume rm'|'volume remove')
			_arguments -s \
				'*--force[Do not complain about volumes that do not exist]' \
				'*-f[Do not complain about volumes that do not exist]' \
				'*: : _dhow_names volume'
			;;
		'volume prune')
			_arguments -s \
				'*--all[Remove volumes with names too]' \
				'*-a[Remove volumes with names too]' \
				'*--filter=[Remove only volumes for which key=value holds]: :_files' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'volume exists')
			_arguments -s \
				'*: : _dhow_names volume'
			;;
		'builder prune'|'buildx prune')
			_arguments -s \
				'*--all[Remove the contents of cache mounts too]' \
				'*-a[Remove the contents of cache mounts too]' \
				'*--filter=[Remove only what was not used since until=duration]: :_files' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]' \
				'*--keep-storage=[Keep this much, the latest used]: :_files'
			;;
		'system df')
			_arguments -s \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :_files' \
				'*--verbose[Show every image, container, volume and cache entry]' \
				'*-v[Show every image, container, volume and cache entry]'
			;;
		'system prune')
			_arguments -s \
				'*--all[Remove images with names, and the contents of cache mounts, too]' \
				'*-a[Remove images with names, and the contents of cache mounts, too]' \
				'*--filter=[Remove only that for which key=value holds]: :_files' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]' \
				'*--volumes[Remove anonymous volumes that no container has]'
			;;
		'system check')
			_arguments -s \
				'*--quick[Look at the records only, not at the files]' \
				'*--quiet[Print nothing; the exit status tells]' \
				'*-q[Print nothing; the exit status tells]' \
				'*--repair[Cure what can be cured]' \
				'*-r[Cure what can be cured]'
			;;
		'info'|'system info')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files'
			;;
		'doctor'|'system doctor')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files'
			;;
		'unshare')
			_arguments -s \
				'1: :_files' '*::command:_normal'
			;;
		'version')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :_files' \
				'*-f+[Print with a Go template or "json"]: :_files'
			;;
		'completion')
			_arguments -s \
				'*: :(bash zsh fish)'
			;;
		'man')
			_arguments -s
			;;
		'help')
			_arguments -s \
				'*: :(attach bud build builder buildx commit completion container cp create diff doctor exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait)'
			;;
		esac
		;;
	esac
}
if [ "$funcstack[1]" = _dhow ]; then _dhow "$@"; else compdef _dhow dhow; fi
