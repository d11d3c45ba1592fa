#compdef dhow
# zsh completion for dhow; made from its list of commands, do not edit
_dhow_names() {
	local -a names
	names=(${(f)"$(dhow $root __complete $1 2>/dev/null)"})
	if [[ $1 == copied ]]; then
		compadd -S '' -a names
		_files
	else
		compadd -a names
	fi
}
_dhow() {
	local curcontext=$curcontext state line verb
	local -a commands root
	typeset -A opt_args
	_arguments -C '--root[keep everything below this directory]:directory:_files -/' '--config[directory of config.json]:directory:_files -/' '--help' '--version' '1: :->verb' '*:: :->rest' && return
	[[ -n $opt_args[--root] ]] && root=(--root $opt_args[--root])
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
			'events:Show what happens to containers, images and volumes'
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
			'man:Print the manual page, or that of a command'
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
			if ((CURRENT == 2)); then compadd build du prune; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		buildx)
			if ((CURRENT == 2)); then compadd b build du prune version; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		container)
			if ((CURRENT == 2)); then compadd attach commit cp create diff exec exists export inspect kill list logs ls pause port prune ps remove rename restart rm run start stats stop top unpause update wait; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		image)
			if ((CURRENT == 2)); then compadd build diff exists history import inspect list load ls mount prune pull push remove rm save tag umount unmount untag; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		manifest)
			if ((CURRENT == 2)); then compadd add annotate create exists inspect push remove rm; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		system)
			if ((CURRENT == 2)); then compadd check df doctor events info prune; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		volume)
			if ((CURRENT == 2)); then compadd create exists inspect list ls prune remove rm; return; fi
			verb="$verb $words[2]"; shift words; ((CURRENT--)) ;;
		esac
		case $verb in
		'build'|'image build'|'builder build'|'buildx build'|'buildx b'|'bud')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts of RUN steps]: :' \
				'*--build-arg=[Set an ARG; NAME alone takes it from the environment]: :' \
				'*--build-context=[Name one more context, a directory or docker-image //REF]: :_files' \
				'*--file=[The Dockerfile; "-" is stdin]: :_files' \
				'*-f+[The Dockerfile; "-" is stdin]: :_files' \
				'*--iidfile=[Write the image'\''s id to a file]: :_files' \
				'*--label=[Set a label]: :' \
				'*--load[Keep the result in the store, as always]' \
				'*--network=[Network of RUN steps  default, none or host]: :(bridge none host)' \
				'*--no-cache[Carry out every step again]' \
				'*--platform=[Platform to build for]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--progress=[How to show progress  auto, plain, tty, rawjson or quiet (BUILDKIT_PROGRESS)]: :(auto plain tty rawjson quiet)' \
				'*--pull=-[Ask the registry for newer base images; =never asks for none]: :(always missing never)' \
				'*--quiet[Print nothing but the image'\''s id]' \
				'*-q[Print nothing but the image'\''s id]' \
				'*--secret=[Give a secret to RUN steps; or id=name,env=variable]: :_files' \
				'*--tag=[Name the result]: :' \
				'*-t+[Name the result]: :' \
				'*--target=[Build this stage]: :' \
				'1: :_files'
			;;
		'run'|'container run')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts]: :' \
				'*--annotation=[Add an annotation to the runtime'\''s specification]: :' \
				'*--attach=[Connect only to this one  stdin, stdout, stderr]: :' \
				'*-a+[Connect only to this one  stdin, stdout, stderr]: :' \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :' \
				'*--cap-add=[Add a capability]: :(ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME)' \
				'*--cap-drop=[Drop a capability, or ALL]: :(ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME)' \
				'*--cgroup-parent=[Make the container'\''s control group below this one]: :_files' \
				'*--cgroupns=[Cgroup namespace  private (the default) or host]: :' \
				'*--cidfile=[Write the container'\''s id to a file]: :_files' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :' \
				'*--cpu-quota=[Processor time in each period]: :' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*--cpus=[Processors at most  1.5]: :' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :' \
				'*--cpuset-mems=[Use these memory nodes alone]: :' \
				'*--detach[Run in the background and print the container'\''s id]' \
				'*-d[Run in the background and print the container'\''s id]' \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :' \
				'*--device=[Give a device of the host, or a directory of them, that the caller may open]: :_files' \
				'*--device-read-bps=[Bytes a second read from a device at most  /dev/sda 1mb]: :' \
				'*--device-read-iops=[Reads a second from a device at most]: :' \
				'*--device-write-bps=[Bytes a second written to a device at most]: :' \
				'*--device-write-iops=[Writes a second to a device at most]: :' \
				'*--dns=[Ask this address for names instead of the host'\''s resolvers]: :' \
				'*--dns-option=[Set a resolver option]: :' \
				'*--dns-search=[Set a search domain]: :' \
				'*--domainname=[NIS domain name]: :' \
				'*--entrypoint=[Run this program instead of the image'\''s entrypoint]: :' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--env-host[Pass all of the caller'\''s variables on]' \
				'*--expose=[Make a port known, as EXPOSE of an image does  80, 53/udp, 8000-8010]: :' \
				'*--group-add=[Join one more group; keep-groups keeps the caller'\''s]: :' \
				'*--health-cmd=[Look at the container'\''s health with this, by the image'\''s shell]: :' \
				'*--health-interval=[Time between two looks, 30s]: :' \
				'*--health-retries=[Failures in a row that make it unhealthy, 3]: :' \
				'*--health-start-interval=[Time between two looks while it starts, 5s]: :' \
				'*--health-start-period=[Time in which failures do not count, 0s]: :' \
				'*--health-timeout=[Time after which a look has failed, 30s]: :' \
				'*--hostname=[Host name]: :' \
				'*-h+[Host name]: :' \
				'*--http-proxy[Pass the proxies of the configuration on (default true)]' \
				'*--init[Run an init that passes signals on and reaps processes]' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--ipc=[Shared memory and queues  private, shareable, none, host or container NAME]: :(private host none)' \
				'*--label=[Set metadata]: :' \
				'*-l+[Set metadata]: :' \
				'*--label-file=[Read labels from a file]: :_files' \
				'*--log-driver=[How the output is kept  json-file (the default) or none]: :(json-file none)' \
				'*--log-opt=[Bound the log  max-size=10m, max-file=3]: :(max-size= max-file=)' \
				'*--memory=[Memory at most  512m]: :' \
				'*-m+[Memory at most  512m]: :' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :' \
				'*--mount=[Mount something  type=bind|volume|tmpfs|image,src=…,dst=…(,ro)]: :(type=bind,src= type=volume,src= type=tmpfs,dst=)' \
				'*--name=[Name of the container]: :' \
				'*--network=[Network  bridge (a private one, the default), none, host or container NAME]: :(bridge none host)' \
				'*--no-healthcheck[Do without the image'\''s HEALTHCHECK]' \
				'*--no-hosts[Leave the image'\''s /etc/hosts]' \
				'*--oom-score-adj=[How likely the kernel kills it when memory is used up, -1000 to 1000]: :' \
				'*--pid=[Processes  private, host or container NAME]: :' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :' \
				'*--platform=[Platform of the image]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--privileged[Give all capabilities, all devices the caller may open, and hide nothing]' \
				'*--publish=[Open a port of the host that leads to one of the container; 53/udp for UDP]: :' \
				'*-p+[Open a port of the host that leads to one of the container; 53/udp for UDP]: :' \
				'*--publish-all[Publish every exposed port to a free one of the host]' \
				'*-P[Publish every exposed port to a free one of the host]' \
				'*--pull=[Pull the image before  always, missing, newer or never (default "missing")]: :(always missing never)' \
				'*--quiet[Show no progress of a pull]' \
				'*-q[Show no progress of a pull]' \
				'*--read-only[Mount the root filesystem read-only]' \
				'*--replace[Remove a container that has the name before]' \
				'*--restart=[Start it again when it ends  no, on-failure( max), always, unless-stopped]: :(no on-failure on-failure: always unless-stopped)' \
				'*--rm[Remove the container when it ends]' \
				'*--security-opt=[Security option  no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=PATH|ALL, systempaths=unconfined, proc-opts=OPTIONS]: :(no-new-privileges seccomp=unconfined seccomp=)' \
				'*--shm-size=[Size of /dev/shm]: :' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'*--stop-signal=[Signal that stops the container]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*--stop-timeout=[Time between the stop signal and the kill]: :' \
				'*--sysctl=[Set a kernel parameter]: :' \
				'*--timeout=[Kill the container when it has run this long]: :' \
				'*--tmpfs=[Mount a tmpfs]: :_files' \
				'*--tty[Give the container a terminal]' \
				'*-t[Give the container a terminal]' \
				'*--ulimit=[Set a limit]: :(core= cpu= data= fsize= memlock= nofile= nproc= stack=)' \
				'*--umask=[The umask of the container'\''s process]: :' \
				'*--unsetenv=[Take a variable of the image away]: :' \
				'*--user=[Run as this user, by name or number]: :' \
				'*-u+[Run as this user, by name or number]: :' \
				'*--userns=[User namespace  host (the default), or keep-id( uid=N,gid=N) to see the caller'\''s own ids]: :(host keep-id)' \
				'*--uts=[Host name  private or host]: :' \
				'*--volume=[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*-v+[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*--volume-driver=[Driver of new volumes  local]: :_files' \
				'*--volumes-from=[Mount the volumes and directories of a container too]: : _dhow_names container' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names image' \
				'*::command:_normal'
			;;
		'ps'|'container ls'|'container list'|'container ps')
			_arguments -s \
				'*--all[Show containers that do not run, too]' \
				'*-a[Show containers that do not run, too]' \
				'*--filter=[Show only containers for which key=value holds]: :(ancestor= before= exited= expose= health= id= label= name= network= publish= restart-policy= should-start-on-boot=true since= status=created status=running status=restarting status=exited volume=)' \
				'*-f+[Show only containers for which key=value holds]: :(ancestor= before= exited= expose= health= id= label= name= network= publish= restart-policy= should-start-on-boot=true since= status=created status=running status=restarting status=exited volume=)' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--last=[Show the number of containers created last]: :' \
				'*-n+[Show the number of containers created last]: :' \
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
				'1: : _dhow_names container' \
				'*: : _dhow_names container'
			;;
		'create'|'container create')
			_arguments -s \
				'*--add-host=[Add a line to /etc/hosts]: :' \
				'*--annotation=[Add an annotation to the runtime'\''s specification]: :' \
				'*--attach=[Connect only to this one  stdin, stdout, stderr]: :' \
				'*-a+[Connect only to this one  stdin, stdout, stderr]: :' \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :' \
				'*--cap-add=[Add a capability]: :(ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME)' \
				'*--cap-drop=[Drop a capability, or ALL]: :(ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME)' \
				'*--cgroup-parent=[Make the container'\''s control group below this one]: :_files' \
				'*--cgroupns=[Cgroup namespace  private (the default) or host]: :' \
				'*--cidfile=[Write the container'\''s id to a file]: :_files' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :' \
				'*--cpu-quota=[Processor time in each period]: :' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*--cpus=[Processors at most  1.5]: :' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :' \
				'*--cpuset-mems=[Use these memory nodes alone]: :' \
				'*--device=[Give a device of the host, or a directory of them, that the caller may open]: :_files' \
				'*--device-read-bps=[Bytes a second read from a device at most  /dev/sda 1mb]: :' \
				'*--device-read-iops=[Reads a second from a device at most]: :' \
				'*--device-write-bps=[Bytes a second written to a device at most]: :' \
				'*--device-write-iops=[Writes a second to a device at most]: :' \
				'*--dns=[Ask this address for names instead of the host'\''s resolvers]: :' \
				'*--dns-option=[Set a resolver option]: :' \
				'*--dns-search=[Set a search domain]: :' \
				'*--domainname=[NIS domain name]: :' \
				'*--entrypoint=[Run this program instead of the image'\''s entrypoint]: :' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--env-host[Pass all of the caller'\''s variables on]' \
				'*--expose=[Make a port known, as EXPOSE of an image does  80, 53/udp, 8000-8010]: :' \
				'*--group-add=[Join one more group; keep-groups keeps the caller'\''s]: :' \
				'*--health-cmd=[Look at the container'\''s health with this, by the image'\''s shell]: :' \
				'*--health-interval=[Time between two looks, 30s]: :' \
				'*--health-retries=[Failures in a row that make it unhealthy, 3]: :' \
				'*--health-start-interval=[Time between two looks while it starts, 5s]: :' \
				'*--health-start-period=[Time in which failures do not count, 0s]: :' \
				'*--health-timeout=[Time after which a look has failed, 30s]: :' \
				'*--hostname=[Host name]: :' \
				'*-h+[Host name]: :' \
				'*--http-proxy[Pass the proxies of the configuration on (default true)]' \
				'*--init[Run an init that passes signals on and reaps processes]' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--ipc=[Shared memory and queues  private, shareable, none, host or container NAME]: :(private host none)' \
				'*--label=[Set metadata]: :' \
				'*-l+[Set metadata]: :' \
				'*--label-file=[Read labels from a file]: :_files' \
				'*--log-driver=[How the output is kept  json-file (the default) or none]: :(json-file none)' \
				'*--log-opt=[Bound the log  max-size=10m, max-file=3]: :(max-size= max-file=)' \
				'*--memory=[Memory at most  512m]: :' \
				'*-m+[Memory at most  512m]: :' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :' \
				'*--mount=[Mount something  type=bind|volume|tmpfs|image,src=…,dst=…(,ro)]: :(type=bind,src= type=volume,src= type=tmpfs,dst=)' \
				'*--name=[Name of the container]: :' \
				'*--network=[Network  bridge (a private one, the default), none, host or container NAME]: :(bridge none host)' \
				'*--no-healthcheck[Do without the image'\''s HEALTHCHECK]' \
				'*--no-hosts[Leave the image'\''s /etc/hosts]' \
				'*--oom-score-adj=[How likely the kernel kills it when memory is used up, -1000 to 1000]: :' \
				'*--pid=[Processes  private, host or container NAME]: :' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :' \
				'*--platform=[Platform of the image]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--privileged[Give all capabilities, all devices the caller may open, and hide nothing]' \
				'*--publish=[Open a port of the host that leads to one of the container; 53/udp for UDP]: :' \
				'*-p+[Open a port of the host that leads to one of the container; 53/udp for UDP]: :' \
				'*--publish-all[Publish every exposed port to a free one of the host]' \
				'*-P[Publish every exposed port to a free one of the host]' \
				'*--pull=[Pull the image before  always, missing, newer or never (default "missing")]: :(always missing never)' \
				'*--quiet[Show no progress of a pull]' \
				'*-q[Show no progress of a pull]' \
				'*--read-only[Mount the root filesystem read-only]' \
				'*--replace[Remove a container that has the name before]' \
				'*--restart=[Start it again when it ends  no, on-failure( max), always, unless-stopped]: :(no on-failure on-failure: always unless-stopped)' \
				'*--rm[Remove the container when it ends]' \
				'*--security-opt=[Security option  no-new-privileges, seccomp=unconfined|FILE, mask=PATH, unmask=PATH|ALL, systempaths=unconfined, proc-opts=OPTIONS]: :(no-new-privileges seccomp=unconfined seccomp=)' \
				'*--shm-size=[Size of /dev/shm]: :' \
				'*--stop-signal=[Signal that stops the container]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*--stop-timeout=[Time between the stop signal and the kill]: :' \
				'*--sysctl=[Set a kernel parameter]: :' \
				'*--timeout=[Kill the container when it has run this long]: :' \
				'*--tmpfs=[Mount a tmpfs]: :_files' \
				'*--tty[Give the container a terminal]' \
				'*-t[Give the container a terminal]' \
				'*--ulimit=[Set a limit]: :(core= cpu= data= fsize= memlock= nofile= nproc= stack=)' \
				'*--umask=[The umask of the container'\''s process]: :' \
				'*--unsetenv=[Take a variable of the image away]: :' \
				'*--user=[Run as this user, by name or number]: :' \
				'*-u+[Run as this user, by name or number]: :' \
				'*--userns=[User namespace  host (the default), or keep-id( uid=N,gid=N) to see the caller'\''s own ids]: :(host keep-id)' \
				'*--uts=[Host name  private or host]: :' \
				'*--volume=[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*-v+[Mount a directory or volume  ro, nocopy, O (changes are thrown away), U (its owner becomes the user)]: :_files' \
				'*--volume-driver=[Driver of new volumes  local]: :_files' \
				'*--volumes-from=[Mount the volumes and directories of a container too]: : _dhow_names container' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names image' \
				'*::command:_normal'
			;;
		'start'|'container start')
			_arguments -s \
				'*--attach[Show the output, pass signals on, and end with the container'\''s exit status]' \
				'*-a[Show the output, pass signals on, and end with the container'\''s exit status]' \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :' \
				'*--interactive[Pass stdin on]' \
				'*-i[Pass stdin on]' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'1: : _dhow_names stopped' \
				'*: : _dhow_names stopped'
			;;
		'stop'|'container stop')
			_arguments -s \
				'*--signal=[Signal to ask with instead of the container'\''s own]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*-s+[Signal to ask with instead of the container'\''s own]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*--timeout=[Time before the kill; -1 waits for ever]: :' \
				'*-t+[Time before the kill; -1 waits for ever]: :' \
				'1: : _dhow_names running' \
				'*: : _dhow_names running'
			;;
		'restart'|'container restart')
			_arguments -s \
				'*--signal=[Signal to ask with instead of the container'\''s own]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*-s+[Signal to ask with instead of the container'\''s own]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*--timeout=[Time before the kill; -1 waits for ever]: :' \
				'*-t+[Time before the kill; -1 waits for ever]: :' \
				'1: : _dhow_names container' \
				'*: : _dhow_names container'
			;;
		'kill'|'container kill')
			_arguments -s \
				'*--signal=[Signal, by name or number]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'*-s+[Signal, by name or number]: :(HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH)' \
				'1: : _dhow_names running' \
				'*: : _dhow_names running'
			;;
		'pause'|'container pause')
			_arguments -s \
				'1: : _dhow_names running' \
				'*: : _dhow_names running'
			;;
		'unpause'|'container unpause')
			_arguments -s \
				'1: : _dhow_names container' \
				'*: : _dhow_names container'
			;;
		'wait'|'container wait')
			_arguments -s \
				'1: : _dhow_names running' \
				'*: : _dhow_names running'
			;;
		'attach'|'container attach')
			_arguments -s \
				'*--detach-keys=[Keys that leave the container running, ctrl-p,ctrl-q]: :' \
				'*--no-stdin[Pass no input on]' \
				'*--sig-proxy[Pass signals on to the container (default true)]' \
				'1: : _dhow_names running'
			;;
		'exec'|'container exec')
			_arguments -s \
				'*--detach[Do not wait for the command]' \
				'*-d[Do not wait for the command]' \
				'*--detach-keys=[Keys that leave the command running, ctrl-p,ctrl-q]: :' \
				'*--env=[Set a variable; NAME alone takes it from the environment]: :' \
				'*-e+[Set a variable; NAME alone takes it from the environment]: :' \
				'*--env-file=[Read variables from a file]: :_files' \
				'*--interactive[Keep stdin open]' \
				'*-i[Keep stdin open]' \
				'*--privileged[Give the command all capabilities of the container'\''s user namespace]' \
				'*--tty[Give the command a terminal]' \
				'*-t[Give the command a terminal]' \
				'*--user=[Run as this user, by name or number]: :' \
				'*-u+[Run as this user, by name or number]: :' \
				'*--workdir=[Working directory]: :_files' \
				'*-w+[Working directory]: :_files' \
				'1: : _dhow_names running' \
				'*::command:_normal'
			;;
		'logs'|'container logs')
			_arguments -s \
				'*--details[Show extra attributes; this log has none]' \
				'*--follow[Go on with what is written]' \
				'*-f[Go on with what is written]' \
				'*--since=[Show only what was written since]: :' \
				'*--tail=[Show only the last lines (default "all")]: :(all 10 100)' \
				'*-n+[Show only the last lines (default "all")]: :(all 10 100)' \
				'*--timestamps[Show when each line was written]' \
				'*-t[Show when each line was written]' \
				'*--until=[Show only what was written before]: :' \
				'1: : _dhow_names container'
			;;
		'top'|'container top')
			_arguments -s \
				'1: : _dhow_names running' \
				'*::command:_normal'
			;;
		'stats'|'container stats')
			_arguments -s \
				'*--all[Show containers that do not run, too]' \
				'*-a[Show containers that do not run, too]' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--no-stream[Show one measurement and end]' \
				'*--no-trunc[Show whole ids]' \
				'1: : _dhow_names container' \
				'*: : _dhow_names container'
			;;
		'update'|'container update')
			_arguments -s \
				'*--blkio-weight=[Share of the disks'\'' time, 10 to 1000]: :' \
				'*--cpu-period=[Length of the periods of --cpu-quota]: :' \
				'*--cpu-quota=[Processor time in each period]: :' \
				'*--cpu-shares=[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*-c+[Share of the processors when they are busy; 1024 is everybody'\''s]: :' \
				'*--cpus=[Processors at most  1.5]: :' \
				'*--cpuset-cpus=[Run on these processors alone  0-2,4]: :' \
				'*--cpuset-mems=[Use these memory nodes alone]: :' \
				'*--memory=[Memory at most  512m]: :' \
				'*-m+[Memory at most  512m]: :' \
				'*--memory-reservation=[Memory that is left to the container when it gets scarce]: :' \
				'*--memory-swap=[Memory and swap together at most; -1 is any amount of swap, none twice the memory]: :' \
				'*--pids-limit=[Processes and threads at most; -1 is any number]: :' \
				'*--restart=[Start it again when it ends  no, on-failure( max), always, unless-stopped]: :(no on-failure on-failure: always unless-stopped)' \
				'1: : _dhow_names container' \
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
				'1: : _dhow_names copied' \
				'*: : _dhow_names copied'
			;;
		'diff'|'container diff')
			_arguments -s \
				'1: : _dhow_names container'
			;;
		'commit'|'container commit')
			_arguments -s \
				'*--author=[Author of the image]: :' \
				'*-a+[Author of the image]: :' \
				'*--change=[Apply a Dockerfile instruction to the image'\''s configuration]: :' \
				'*-c+[Apply a Dockerfile instruction to the image'\''s configuration]: :' \
				'*--message=[Set the comment in the image'\''s history]: :' \
				'*-m+[Set the comment in the image'\''s history]: :' \
				'*--no-pause[Let the container go on meanwhile]' \
				'*--pause[Pause the container meanwhile, where it has a control group (default true)]' \
				'*-p[Pause the container meanwhile, where it has a control group (default true)]' \
				'*--quiet[Print nothing but the image'\''s id]' \
				'*-q[Print nothing but the image'\''s id]' \
				'1: : _dhow_names container' \
				'*: : _dhow_names image'
			;;
		'export'|'container export')
			_arguments -s \
				'*--output=[Write to a file instead of stdout]: :_files' \
				'*-o+[Write to a file instead of stdout]: :_files' \
				'1: : _dhow_names container'
			;;
		'port'|'container port')
			_arguments -s \
				'1: : _dhow_names running'
			;;
		'rename'|'container rename')
			_arguments -s \
				'1: : _dhow_names container'
			;;
		'container prune')
			_arguments -s \
				'*--filter=[Remove only those for which key=value holds]: :(until= label= label!=)' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'images'|'image ls'|'image list')
			_arguments -s \
				'*--all[Show all images; dhow keeps no intermediate ones]' \
				'*-a[Show all images; dhow keeps no intermediate ones]' \
				'*--digests[Show digests]' \
				'*--filter=[Show only images for which key=value holds]: :(before= dangling=true dangling=false label= reference= since= until=)' \
				'*-f+[Show only images for which key=value holds]: :(before= dangling=true dangling=false label= reference= since= until=)' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--no-trunc[Show whole ids]' \
				'*--quiet[Show only ids]' \
				'*-q[Show only ids]' \
				'*--tree[Draw which image builds on which, with the sizes shared with others and its own]' \
				'1: : _dhow_names image'
			;;
		'pull'|'image pull')
			_arguments -s \
				'*--all-platforms[Pull every platform of an index, and its attestations]' \
				'*--all-tags[Pull every tag the registry has of NAME]' \
				'*-a[Pull every tag the registry has of NAME]' \
				'*--platform=[Pull the image for this platform]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--quiet[Print nothing but the image'\''s full name]' \
				'*-q[Print nothing but the image'\''s full name]' \
				'1: : _dhow_names image'
			;;
		'push'|'image push')
			_arguments -s \
				'*--all-tags[Push every tag that NAME has here]' \
				'*-a[Push every tag that NAME has here]' \
				'*--compression-format=[Compress layers with gzip or zstd, also where the registry has them in another form]: :(gzip zstd)' \
				'*--compression-level=[1 to 9 for gzip, 1 to 20 for zstd]: :' \
				'*--digestfile=[Write the digest of the pushed manifest to a file]: :_files' \
				'*--platform=[Push only this platform of an index, as an image of its own]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--quiet[Print nothing but the image'\''s full name]' \
				'*-q[Print nothing but the image'\''s full name]' \
				'1: : _dhow_names image'
			;;
		'tag'|'image tag')
			_arguments -s \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'rmi'|'image rm'|'image remove')
			_arguments -s \
				'*--force[Remove although a stopped container uses the image]' \
				'*-f[Remove although a stopped container uses the image]' \
				'*--platform=[Remove only this platform of an index]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'history'|'image history')
			_arguments -s \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--human[Show sizes and times for people; --human=false shows bytes and timestamps (default true)]' \
				'*-H[Show sizes and times for people; --human=false shows bytes and timestamps (default true)]' \
				'*--no-trunc[Show whole ids and commands]' \
				'*--platform=[Show the history of this platform of an index]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--quiet[Show only ids]' \
				'*-q[Show only ids]' \
				'1: : _dhow_names image'
			;;
		'save'|'image save')
			_arguments -s \
				'*--format=["docker-archive", "oci-archive", or the directories "oci-dir" and "docker-dir" (default "docker-archive")]: :(docker-archive oci-archive oci-dir docker-dir)' \
				'*--output=[Write to a file instead of stdout, or to a directory]: :_files' \
				'*-o+[Write to a file instead of stdout, or to a directory]: :_files' \
				'*--platform=[Write only this platform of an index]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'load'|'image load')
			_arguments -s \
				'*--input=[Read from a file or directory instead of stdin]: :_files' \
				'*-i+[Read from a file or directory instead of stdin]: :_files' \
				'*--platform=[Read only this platform of an index]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'*--quiet[Show no progress]' \
				'*-q[Show no progress]'
			;;
		'import'|'image import')
			_arguments -s \
				'*--change=[Apply a Dockerfile instruction to the image'\''s configuration]: :' \
				'*-c+[Apply a Dockerfile instruction to the image'\''s configuration]: :' \
				'*--message=[Set the comment in the image'\''s history]: :' \
				'*-m+[Set the comment in the image'\''s history]: :' \
				'*--platform=[Platform of the image]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'1: :_files'
			;;
		'untag'|'image untag')
			_arguments -s \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'image exists')
			_arguments -s \
				'1: : _dhow_names image'
			;;
		'image prune')
			_arguments -s \
				'*--all[Remove images with names too]' \
				'*-a[Remove images with names too]' \
				'*--filter=[Remove only images for which key=value holds]: :(until= label= label!=)' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'image mount')
			_arguments -s \
				'*--all[Mount all images]' \
				'*-a[Mount all images]' \
				'*--format=[Print as "json"]: :(json table)' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'image unmount'|'image umount')
			_arguments -s \
				'*--all[Unmount all mounted images]' \
				'*-a[Unmount all mounted images]' \
				'*--force[Unmount although programs use it; for these it stays until they end]' \
				'*-f[Unmount although programs use it; for these it stays until they end]' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'image diff')
			_arguments -s \
				'*--format=[Print as "json"]: :(json table)' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest create')
			_arguments -s \
				'*--all[Take every image of an index]' \
				'*--amend[Add to a list that is there]' \
				'*-a[Add to a list that is there]' \
				'*--annotation=[Annotate the index]: :' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest add')
			_arguments -s \
				'*--all[Take every image of an index]' \
				'*--annotation=[Annotate the entry]: :' \
				'*--arch=[Set the architecture]: :' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--os=[Set the operating system]: :' \
				'*--os-features=[Set the features of the operating system]: :' \
				'*--os-version=[Set the version of the operating system]: :' \
				'*--variant=[Set the variant of the architecture]: :' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest annotate')
			_arguments -s \
				'*--annotation=[Annotate the entry]: :' \
				'*--arch=[Set the architecture]: :' \
				'*--os=[Set the operating system]: :' \
				'*--os-features=[Set the features of the operating system]: :' \
				'*--os-version=[Set the version of the operating system]: :' \
				'*--variant=[Set the variant of the architecture]: :' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest inspect')
			_arguments -s \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--verbose[Show the manifests an index names, with their descriptors]' \
				'*-v[Show the manifests an index names, with their descriptors]' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest push')
			_arguments -s \
				'*--all[Push the images of the list too; that is always so]' \
				'*--digestfile=[Write the digest of the index to a file]: :_files' \
				'*--format=[oci or docker  an OCI index, or docker'\''s manifest list and images]: :(json table)' \
				'*-f+[oci or docker  an OCI index, or docker'\''s manifest list and images]: :(json table)' \
				'*--insecure[Allow plain http and unverified certificates]' \
				'*--purge[Delete the list here when it is pushed]' \
				'*-p[Delete the list here when it is pushed]' \
				'*--quiet[Show no progress]' \
				'*-q[Show no progress]' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest remove')
			_arguments -s \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest rm')
			_arguments -s \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'manifest exists')
			_arguments -s \
				'1: : _dhow_names image'
			;;
		'login')
			_arguments -s \
				'*--password=[or token; seen by everybody who lists processes]: :' \
				'*-p+[or token; seen by everybody who lists processes]: :' \
				'*--password-stdin[Read the password from stdin]' \
				'*--username=[of the user]: :' \
				'*-u+[of the user]: :'
			;;
		'logout')
			_arguments -s
			;;
		'inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)' \
				'*--size[Show the sizes of containers]' \
				'*-s[Show the sizes of containers]' \
				'*--type=[Look only for this kind  container, image or volume]: :(container image volume)' \
				'1: : _dhow_names object' \
				'*: : _dhow_names object'
			;;
		'image inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)' \
				'*--platform=[Show this platform of an index]: :(linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x)' \
				'1: : _dhow_names image' \
				'*: : _dhow_names image'
			;;
		'container inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)' \
				'*--size[Show how much was written (SizeRw) and all sizes together (SizeRootFs)]' \
				'*-s[Show how much was written (SizeRw) and all sizes together (SizeRootFs)]' \
				'1: : _dhow_names container' \
				'*: : _dhow_names container'
			;;
		'container exists')
			_arguments -s \
				'1: : _dhow_names container'
			;;
		'volume ls'|'volume list')
			_arguments -s \
				'*--filter=[Show only volumes for which key=value holds]: :(dangling=true dangling=false driver=local label= name=)' \
				'*-f+[Show only volumes for which key=value holds]: :(dangling=true dangling=false driver=local label= name=)' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--quiet[Show only names]' \
				'*-q[Show only names]'
			;;
		'volume create')
			_arguments -s \
				'*--driver=[The only one is local (default "local")]: :' \
				'*-d+[The only one is local (default "local")]: :' \
				'*--label=[Set metadata]: :' \
				'*--opt=[Option of the driver  type, device, o]: :' \
				'*-o+[Option of the driver  type, device, o]: :'
			;;
		'volume inspect')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)' \
				'1: : _dhow_names volume' \
				'*: : _dhow_names volume'
			;;
		'volume rm'|'volume remove')
			_arguments -s \
				'*--force[Do not complain about volumes that do not exist]' \
				'*-f[Do not complain about volumes that do not exist]' \
				'1: : _dhow_names volume' \
				'*: : _dhow_names volume'
			;;
		'volume prune')
			_arguments -s \
				'*--all[Remove volumes with names too]' \
				'*-a[Remove volumes with names too]' \
				'*--filter=[Remove only volumes for which key=value holds]: :(all=true label= label!=)' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]'
			;;
		'volume exists')
			_arguments -s \
				'1: : _dhow_names volume'
			;;
		'builder prune'|'buildx prune')
			_arguments -s \
				'*--all[Remove the contents of cache mounts too]' \
				'*-a[Remove the contents of cache mounts too]' \
				'*--filter=[Remove only that for which key=value holds]: :(until= id= type=regular type=exec.cachemount description= inuse= shared=)' \
				'*--force[Do not ask]' \
				'*-f[Do not ask]' \
				'*--max-used-space=[Remove no more than needed for the cache to be this large]: :' \
				'*--min-free-space=[Remove no more than needed for this much of the disk to be free]: :' \
				'*--reserved-space=[Keep this much, the latest used]: :' \
				'*--verbose[Tell all about what is removed]'
			;;
		'builder du'|'buildx du')
			_arguments -s \
				'*--filter=[Show only that for which key=value holds]: :(until= id= type=regular type=exec.cachemount description= inuse= shared=)' \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--verbose[Tell all about each]'
			;;
		'system df')
			_arguments -s \
				'*--format=[Print with a Go template, "table TEMPLATE" or "json"]: :(json table)' \
				'*--verbose[Show every image, container, volume and cache entry]' \
				'*-v[Show every image, container, volume and cache entry]'
			;;
		'system prune')
			_arguments -s \
				'*--all[Remove images with names, and the contents of cache mounts, too]' \
				'*-a[Remove images with names, and the contents of cache mounts, too]' \
				'*--filter=[Remove only that for which key=value holds]: :(until= label= label!=)' \
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
		'events'|'system events')
			_arguments -s \
				'*--filter=[Show only events for which key=value holds]: :' \
				'*-f+[Show only events for which key=value holds]: :' \
				'*--format=[Print with a Go template or "json"]: :(json table)' \
				'*--since=[Show what happened since]: :' \
				'*--until=[Show what happens until then, and end]: :'
			;;
		'info'|'system info')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)'
			;;
		'doctor'|'system doctor')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)'
			;;
		'unshare')
			_arguments -s \
				'1: :_files' \
				'*::command:_normal'
			;;
		'version'|'buildx version')
			_arguments -s \
				'*--format=[Print with a Go template or "json"]: :(json)' \
				'*-f+[Print with a Go template or "json"]: :(json)'
			;;
		'completion')
			_arguments -s \
				'1: :(bash zsh fish)'
			;;
		'man')
			_arguments -s \
				'*--list[Print the commands that have a page, "volume-ls"]' \
				'1: :(attach bud build builder buildx commit completion container cp create diff doctor events exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait)'
			;;
		'help')
			_arguments -s \
				'1: :(attach bud build builder buildx commit completion container cp create diff doctor events exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait)'
			;;
		esac
		;;
	esac
}
if [ "$funcstack[1]" = _dhow ]; then _dhow "$@"; else compdef _dhow dhow; fi
