# bash completion for dhow; made from its list of commands, do not edit
_dhow() {
	# bash cuts words at ":" and "=", which names and flags have inside: read the line itself
	local line=${COMP_LINE:0:COMP_POINT} words cur cut whole prev verb='' flags='' values='' first='' rest='' stop='' kind='' word i n=0 operands=0
	local root=()
	cur=${COMP_WORDS[COMP_CWORD]}
	[[ $cur == [:=] ]] && cur=''
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=('')
	whole=${words[${#words[@]} - 1]} prev=${words[${#words[@]} - 2]}
	COMPREPLY=()
	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		case $word in
		--root) root=(--root "${words[i + 1]}") && ((i++)) ;;
		--config) ((i++)) ;;
		-*) ;;
		*)
			verb="${verb:+$verb }$word"
			((++n))
			case $verb in
			builder | buildx | container | image | manifest | system | volume) ;;
			*) break ;;
			esac
			;;
		esac
	done
	case $verb in
	'') flags='--root --config --help --version' values='--root --config' first='words:attach bud build builder buildx commit completion container cp create diff doctor events exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait' ;;
	builder) flags=--help first='words:build du prune' ;;
	buildx) flags=--help first='words:b build du prune version' ;;
	container) flags=--help first='words:attach commit cp create diff exec exists export inspect kill list logs ls pause port prune ps remove rename restart rm run start stats stop top unpause update wait' ;;
	image) flags=--help first='words:build diff exists history import inspect list load ls mount prune pull push remove rm save tag umount unmount untag' ;;
	manifest) flags=--help first='words:add annotate create exists inspect push remove rm' ;;
	system) flags=--help first='words:check df doctor events info prune' ;;
	volume) flags=--help first='words:create exists inspect list ls prune remove rm' ;;
	'build' | 'image build' | 'builder build' | 'buildx build' | 'buildx b' | 'bud') flags='--add-host --build-arg --build-context --file -f --iidfile --label --load --network --no-cache --platform --progress --pull --quiet -q --secret --tag -t --target --help' values='--add-host --build-arg --build-context --file -f --iidfile --label --network --platform --progress --secret --tag -t --target' first='file' rest='' ;;
	'run' | 'container run') flags='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --detach -d --detach-keys --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --env-host --expose --group-add --health-cmd --health-interval --health-retries --health-start-interval --health-start-period --health-timeout --hostname -h --http-proxy --init --interactive -i --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --no-healthcheck --no-hosts --oom-score-adj --pid --pids-limit --platform --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --replace --restart --rm --security-opt --shm-size --sig-proxy --stop-signal --stop-timeout --sysctl --timeout --tmpfs --tty -t --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w --help' values='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --detach-keys --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --expose --group-add --health-cmd --health-interval --health-retries --health-start-interval --health-start-period --health-timeout --hostname -h --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --oom-score-adj --pid --pids-limit --platform --publish -p --pull --restart --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w' first='image' rest='file' stop=yes ;;
	'ps' | 'container ls' | 'container list' | 'container ps') flags='--all -a --filter -f --format --last -n --latest -l --no-trunc --quiet -q --size -s --help' values='--filter -f --format --last -n' first='' rest='' ;;
	'rm' | 'container rm' | 'container remove') flags='--force -f --volumes -v --help' values='' first='container' rest='container' ;;
	'create' | 'container create') flags='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --env-host --expose --group-add --health-cmd --health-interval --health-retries --health-start-interval --health-start-period --health-timeout --hostname -h --http-proxy --init --interactive -i --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --no-healthcheck --no-hosts --oom-score-adj --pid --pids-limit --platform --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --replace --restart --rm --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --tty -t --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w --help' values='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --expose --group-add --health-cmd --health-interval --health-retries --health-start-interval --health-start-period --health-timeout --hostname -h --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --oom-score-adj --pid --pids-limit --platform --publish -p --pull --restart --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w' first='image' rest='file' stop=yes ;;
	'start' | 'container start') flags='--attach -a --detach-keys --interactive -i --sig-proxy --help' values='--detach-keys' first='stopped' rest='stopped' ;;
	'stop' | 'container stop') flags='--signal -s --timeout -t --help' values='--signal -s --timeout -t' first='running' rest='running' ;;
	'restart' | 'container restart') flags='--signal -s --timeout -t --help' values='--signal -s --timeout -t' first='container' rest='container' ;;
	'kill' | 'container kill') flags='--signal -s --help' values='--signal -s' first='running' rest='running' ;;
	'pause' | 'container pause') flags='--help' values='' first='running' rest='running' ;;
	'unpause' | 'container unpause') flags='--help' values='' first='container' rest='container' ;;
	'wait' | 'container wait') flags='--help' values='' first='running' rest='running' ;;
	'attach' | 'container attach') flags='--detach-keys --no-stdin --sig-proxy --help' values='--detach-keys' first='running' rest='' ;;
	'exec' | 'container exec') flags='--detach -d --detach-keys --env -e --env-file --interactive -i --privileged --tty -t --user -u --workdir -w --help' values='--detach-keys --env -e --env-file --user -u --workdir -w' first='running' rest='file' stop=yes ;;
	'logs' | 'container logs') flags='--details --follow -f --since --tail -n --timestamps -t --until --help' values='--since --tail -n --until' first='container' rest='' ;;
	'top' | 'container top') flags='--help' values='' first='running' rest='' stop=yes ;;
	'stats' | 'container stats') flags='--all -a --format --no-stream --no-trunc --help' values='--format' first='container' rest='container' ;;
	'update' | 'container update') flags='--blkio-weight --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --memory -m --memory-reservation --memory-swap --pids-limit --restart --help' values='--blkio-weight --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --memory -m --memory-reservation --memory-swap --pids-limit --restart' first='container' rest='container' ;;
	'cp' | 'container cp') flags='--archive -a --follow-link -L --quiet -q --help' values='' first='copied' rest='copied' ;;
	'diff' | 'container diff') flags='--help' values='' first='container' rest='' ;;
	'commit' | 'container commit') flags='--author -a --change -c --message -m --no-pause --pause -p --quiet -q --help' values='--author -a --change -c --message -m' first='container' rest='image' ;;
	'export' | 'container export') flags='--output -o --help' values='--output -o' first='container' rest='' ;;
	'port' | 'container port') flags='--help' values='' first='running' rest='' ;;
	'rename' | 'container rename') flags='--help' values='' first='container' rest='' ;;
	'container prune') flags='--filter --force -f --help' values='--filter' first='' rest='' ;;
	'images' | 'image ls' | 'image list') flags='--all -a --digests --filter -f --format --no-trunc --quiet -q --tree --help' values='--filter -f --format' first='image' rest='' ;;
	'pull' | 'image pull') flags='--all-platforms --all-tags -a --platform --quiet -q --help' values='--platform' first='image' rest='' ;;
	'push' | 'image push') flags='--all-tags -a --compression-format --compression-level --digestfile --platform --quiet -q --help' values='--compression-format --compression-level --digestfile --platform' first='image' rest='' ;;
	'tag' | 'image tag') flags='--help' values='' first='image' rest='image' ;;
	'rmi' | 'image rm' | 'image remove') flags='--force -f --platform --help' values='--platform' first='image' rest='image' ;;
	'history' | 'image history') flags='--format --human -H --no-trunc --platform --quiet -q --help' values='--format --platform' first='image' rest='' ;;
	'save' | 'image save') flags='--format --output -o --platform --help' values='--format --output -o --platform' first='image' rest='image' ;;
	'load' | 'image load') flags='--input -i --platform --quiet -q --help' values='--input -i --platform' first='' rest='' ;;
	'import' | 'image import') flags='--change -c --message -m --platform --help' values='--change -c --message -m --platform' first='file' rest='' ;;
	'untag' | 'image untag') flags='--help' values='' first='image' rest='image' ;;
	'image exists') flags='--help' values='' first='image' rest='' ;;
	'image prune') flags='--all -a --filter --force -f --help' values='--filter' first='' rest='' ;;
	'image mount') flags='--all -a --format --help' values='--format' first='image' rest='image' ;;
	'image unmount' | 'image umount') flags='--all -a --force -f --help' values='' first='image' rest='image' ;;
	'image diff') flags='--format --help' values='--format' first='image' rest='image' ;;
	'manifest create') flags='--all --amend -a --annotation --insecure --help' values='--annotation' first='image' rest='image' ;;
	'manifest add') flags='--all --annotation --arch --insecure --os --os-features --os-version --variant --help' values='--annotation --arch --os --os-features --os-version --variant' first='image' rest='image' ;;
	'manifest annotate') flags='--annotation --arch --os --os-features --os-version --variant --help' values='--annotation --arch --os --os-features --os-version --variant' first='image' rest='image' ;;
	'manifest inspect') flags='--insecure --verbose -v --help' values='' first='image' rest='image' ;;
	'manifest push') flags='--all --digestfile --format -f --insecure --purge -p --quiet -q --help' values='--digestfile --format -f' first='image' rest='image' ;;
	'manifest remove') flags='--help' values='' first='image' rest='image' ;;
	'manifest rm') flags='--help' values='' first='image' rest='image' ;;
	'manifest exists') flags='--help' values='' first='image' rest='' ;;
	'login') flags='--password -p --password-stdin --username -u --help' values='--password -p --username -u' first='' rest='' ;;
	'logout') flags='--help' values='' first='' rest='' ;;
	'inspect') flags='--format -f --size -s --type --help' values='--format -f --type' first='object' rest='object' ;;
	'image inspect') flags='--format -f --platform --help' values='--format -f --platform' first='image' rest='image' ;;
	'container inspect') flags='--format -f --size -s --help' values='--format -f' first='container' rest='container' ;;
	'container exists') flags='--help' values='' first='container' rest='' ;;
	'volume ls' | 'volume list') flags='--filter -f --format --quiet -q --help' values='--filter -f --format' first='' rest='' ;;
	'volume create') flags='--driver -d --label --opt -o --help' values='--driver -d --label --opt -o' first='' rest='' ;;
	'volume inspect') flags='--format -f --help' values='--format -f' first='volume' rest='volume' ;;
	'volume rm' | 'volume remove') flags='--force -f --help' values='' first='volume' rest='volume' ;;
	'volume prune') flags='--all -a --filter --force -f --help' values='--filter' first='' rest='' ;;
	'volume exists') flags='--help' values='' first='volume' rest='' ;;
	'builder prune' | 'buildx prune') flags='--all -a --filter --force -f --max-used-space --min-free-space --reserved-space --verbose --help' values='--filter --max-used-space --min-free-space --reserved-space' first='' rest='' ;;
	'builder du' | 'buildx du') flags='--filter --format --verbose --help' values='--filter --format' first='' rest='' ;;
	'system df') flags='--format --verbose -v --help' values='--format' first='' rest='' ;;
	'system prune') flags='--all -a --filter --force -f --volumes --help' values='--filter' first='' rest='' ;;
	'system check') flags='--quick --quiet -q --repair -r --help' values='' first='' rest='' ;;
	'events' | 'system events') flags='--filter -f --format --since --until --help' values='--filter -f --format --since --until' first='' rest='' ;;
	'info' | 'system info') flags='--format -f --help' values='--format -f' first='' rest='' ;;
	'doctor' | 'system doctor') flags='--format -f --help' values='--format -f' first='' rest='' ;;
	'unshare') flags='--help' values='' first='file' rest='file' stop=yes ;;
	'version' | 'buildx version') flags='--format -f --help' values='--format -f' first='' rest='' ;;
	'completion') flags='--help' values='' first='words:bash zsh fish' rest='' ;;
	'man') flags='--list --help' values='' first='words:attach bud build builder buildx commit completion container cp create diff doctor events exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait' rest='' ;;
	'help') flags='--help' values='' first='words:attach bud build builder buildx commit completion container cp create diff doctor events exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait' rest='' ;;
	*) return ;;
	esac
	for ((i++; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		if [[ $word == -?* && (-z $stop || $operands == 0) ]]; then
			[[ " $values " == *" $word "* ]] && ((i++))
		else
			((++operands))
		fi
	done
	if [[ -n $stop && $operands != 0 ]]; then
		kind=$rest
	elif [[ $whole == --*=* || (" $values " == *" $prev "* && i -ge ${#words[@]}) ]]; then
		if [[ $whole == --*=* ]]; then
			prev=${whole%%=*} whole=${whole#*=}
		fi
		case "$verb $prev" in
		'build --build-context' | 'image build --build-context' | 'builder build --build-context' | 'buildx build --build-context' | 'buildx b --build-context' | 'bud --build-context') kind='file' ;;
		'build --file' | 'build -f' | 'image build --file' | 'image build -f' | 'builder build --file' | 'builder build -f' | 'buildx build --file' | 'buildx build -f' | 'buildx b --file' | 'buildx b -f' | 'bud --file' | 'bud -f') kind='file' ;;
		'build --iidfile' | 'image build --iidfile' | 'builder build --iidfile' | 'buildx build --iidfile' | 'buildx b --iidfile' | 'bud --iidfile') kind='file' ;;
		'build --network' | 'image build --network' | 'builder build --network' | 'buildx build --network' | 'buildx b --network' | 'bud --network') kind='words:bridge none host' ;;
		'build --platform' | 'image build --platform' | 'builder build --platform' | 'buildx build --platform' | 'buildx b --platform' | 'bud --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'build --progress' | 'image build --progress' | 'builder build --progress' | 'buildx build --progress' | 'buildx b --progress' | 'bud --progress') kind='words:auto plain tty rawjson quiet' ;;
		'build --pull' | 'image build --pull' | 'builder build --pull' | 'buildx build --pull' | 'buildx b --pull' | 'bud --pull') kind='words:always missing never' ;;
		'build --secret' | 'image build --secret' | 'builder build --secret' | 'buildx build --secret' | 'buildx b --secret' | 'bud --secret') kind='file' ;;
		'run --cap-add' | 'container run --cap-add') kind='words:ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME' ;;
		'run --cap-drop' | 'container run --cap-drop') kind='words:ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME' ;;
		'run --cgroup-parent' | 'container run --cgroup-parent') kind='file' ;;
		'run --cidfile' | 'container run --cidfile') kind='file' ;;
		'run --device' | 'container run --device') kind='file' ;;
		'run --env-file' | 'container run --env-file') kind='file' ;;
		'run --ipc' | 'container run --ipc') kind='words:private host none' ;;
		'run --label-file' | 'container run --label-file') kind='file' ;;
		'run --log-driver' | 'container run --log-driver') kind='words:json-file none' ;;
		'run --log-opt' | 'container run --log-opt') kind='words:max-size= max-file=' ;;
		'run --mount' | 'container run --mount') kind='words:type=bind,src= type=volume,src= type=tmpfs,dst=' ;;
		'run --network' | 'container run --network') kind='words:bridge none host' ;;
		'run --platform' | 'container run --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'run --pull' | 'container run --pull') kind='words:always missing never' ;;
		'run --restart' | 'container run --restart') kind='words:no on-failure on-failure: always unless-stopped' ;;
		'run --security-opt' | 'container run --security-opt') kind='words:no-new-privileges seccomp=unconfined seccomp=' ;;
		'run --stop-signal' | 'container run --stop-signal') kind='words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH' ;;
		'run --tmpfs' | 'container run --tmpfs') kind='file' ;;
		'run --ulimit' | 'container run --ulimit') kind='words:core= cpu= data= fsize= memlock= nofile= nproc= stack=' ;;
		'run --userns' | 'container run --userns') kind='words:host keep-id' ;;
		'run --volume' | 'run -v' | 'container run --volume' | 'container run -v') kind='file' ;;
		'run --volume-driver' | 'container run --volume-driver') kind='file' ;;
		'run --volumes-from' | 'container run --volumes-from') kind='container' ;;
		'run --workdir' | 'run -w' | 'container run --workdir' | 'container run -w') kind='file' ;;
		'ps --filter' | 'ps -f' | 'container ls --filter' | 'container ls -f' | 'container list --filter' | 'container list -f' | 'container ps --filter' | 'container ps -f') kind='words:ancestor= before= exited= expose= health= id= label= name= network= publish= restart-policy= should-start-on-boot=true since= status=created status=running status=restarting status=exited volume=' ;;
		'ps --format' | 'container ls --format' | 'container list --format' | 'container ps --format') kind='words:json table' ;;
		'create --cap-add' | 'container create --cap-add') kind='words:ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME' ;;
		'create --cap-drop' | 'container create --cap-drop') kind='words:ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_NICE SYS_PTRACE SYS_TIME' ;;
		'create --cgroup-parent' | 'container create --cgroup-parent') kind='file' ;;
		'create --cidfile' | 'container create --cidfile') kind='file' ;;
		'create --device' | 'container create --device') kind='file' ;;
		'create --env-file' | 'container create --env-file') kind='file' ;;
		'create --ipc' | 'container create --ipc') kind='words:private host none' ;;
		'create --label-file' | 'container create --label-file') kind='file' ;;
		'create --log-driver' | 'container create --log-driver') kind='words:json-file none' ;;
		'create --log-opt' | 'container create --log-opt') kind='words:max-size= max-file=' ;;
		'create --mount' | 'container create --mount') kind='words:type=bind,src= type=volume,src= type=tmpfs,dst=' ;;
		'create --network' | 'container create --network') kind='words:bridge none host' ;;
		'create --platform' | 'container create --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'create --pull' | 'container create --pull') kind='words:always missing never' ;;
		'create --restart' | 'container create --restart') kind='words:no on-failure on-failure: always unless-stopped' ;;
		'create --security-opt' | 'container create --security-opt') kind='words:no-new-privileges seccomp=unconfined seccomp=' ;;
		'create --stop-signal' | 'container create --stop-signal') kind='words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH' ;;
		'create --tmpfs' | 'container create --tmpfs') kind='file' ;;
		'create --ulimit' | 'container create --ulimit') kind='words:core= cpu= data= fsize= memlock= nofile= nproc= stack=' ;;
		'create --userns' | 'container create --userns') kind='words:host keep-id' ;;
		'create --volume' | 'create -v' | 'container create --volume' | 'container create -v') kind='file' ;;
		'create --volume-driver' | 'container create --volume-driver') kind='file' ;;
		'create --volumes-from' | 'container create --volumes-from') kind='container' ;;
		'create --workdir' | 'create -w' | 'container create --workdir' | 'container create -w') kind='file' ;;
		'stop --signal' | 'stop -s' | 'container stop --signal' | 'container stop -s') kind='words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH' ;;
		'restart --signal' | 'restart -s' | 'container restart --signal' | 'container restart -s') kind='words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH' ;;
		'kill --signal' | 'kill -s' | 'container kill --signal' | 'container kill -s') kind='words:HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH' ;;
		'exec --env-file' | 'container exec --env-file') kind='file' ;;
		'exec --workdir' | 'exec -w' | 'container exec --workdir' | 'container exec -w') kind='file' ;;
		'logs --tail' | 'logs -n' | 'container logs --tail' | 'container logs -n') kind='words:all 10 100' ;;
		'stats --format' | 'container stats --format') kind='words:json table' ;;
		'update --restart' | 'container update --restart') kind='words:no on-failure on-failure: always unless-stopped' ;;
		'export --output' | 'export -o' | 'container export --output' | 'container export -o') kind='file' ;;
		'container prune --filter') kind='words:until= label= label!=' ;;
		'images --filter' | 'images -f' | 'image ls --filter' | 'image ls -f' | 'image list --filter' | 'image list -f') kind='words:before= dangling=true dangling=false label= reference= since= until=' ;;
		'images --format' | 'image ls --format' | 'image list --format') kind='words:json table' ;;
		'pull --platform' | 'image pull --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'push --compression-format' | 'image push --compression-format') kind='words:gzip zstd' ;;
		'push --digestfile' | 'image push --digestfile') kind='file' ;;
		'push --platform' | 'image push --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'rmi --platform' | 'image rm --platform' | 'image remove --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'history --format' | 'image history --format') kind='words:json table' ;;
		'history --platform' | 'image history --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'save --format' | 'image save --format') kind='words:docker-archive oci-archive oci-dir docker-dir' ;;
		'save --output' | 'save -o' | 'image save --output' | 'image save -o') kind='file' ;;
		'save --platform' | 'image save --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'load --input' | 'load -i' | 'image load --input' | 'image load -i') kind='file' ;;
		'load --platform' | 'image load --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'import --platform' | 'image import --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'image prune --filter') kind='words:until= label= label!=' ;;
		'image mount --format') kind='words:json table' ;;
		'image diff --format') kind='words:json table' ;;
		'manifest push --digestfile') kind='file' ;;
		'manifest push --format' | 'manifest push -f') kind='words:json table' ;;
		'inspect --format' | 'inspect -f') kind='words:json' ;;
		'inspect --type') kind='words:container image volume' ;;
		'image inspect --format' | 'image inspect -f') kind='words:json' ;;
		'image inspect --platform') kind='words:linux/amd64 linux/arm64 linux/arm/v7 linux/386 linux/ppc64le linux/riscv64 linux/s390x' ;;
		'container inspect --format' | 'container inspect -f') kind='words:json' ;;
		'volume ls --filter' | 'volume ls -f' | 'volume list --filter' | 'volume list -f') kind='words:dangling=true dangling=false driver=local label= name=' ;;
		'volume ls --format' | 'volume list --format') kind='words:json table' ;;
		'volume inspect --format' | 'volume inspect -f') kind='words:json' ;;
		'volume prune --filter') kind='words:all=true label= label!=' ;;
		'builder prune --filter' | 'buildx prune --filter') kind='words:until= id= type=regular type=exec.cachemount description= inuse= shared=' ;;
		'builder du --filter' | 'buildx du --filter') kind='words:until= id= type=regular type=exec.cachemount description= inuse= shared=' ;;
		'builder du --format' | 'buildx du --format') kind='words:json table' ;;
		'system df --format') kind='words:json table' ;;
		'system prune --filter') kind='words:until= label= label!=' ;;
		'events --format' | 'system events --format') kind='words:json table' ;;
		'info --format' | 'info -f' | 'system info --format' | 'system info -f') kind='words:json' ;;
		'doctor --format' | 'doctor -f' | 'system doctor --format' | 'system doctor -f') kind='words:json' ;;
		'version --format' | 'version -f' | 'buildx version --format' | 'buildx version -f') kind='words:json' ;;
		' --root' | ' --config') kind='file' ;;
		esac
	elif [[ $whole == -* ]]; then
		kind="words:$flags"
	elif [[ $operands == 0 ]]; then
		kind=$first
	else
		kind=$rest
	fi
	cut=${whole%"$cur"}
	case $kind in
	words:*) mapfile -t COMPREPLY < <(compgen -W "${kind#words:}" -- "$whole") ;;
	file) mapfile -t COMPREPLY < <(compgen -f -- "$whole") ;;
	copied) mapfile -t COMPREPLY < <(compgen -f -W "$(dhow "${root[@]}" __complete copied 2>/dev/null)" -- "$whole") ;;
	?*) mapfile -t COMPREPLY < <(compgen -W "$(dhow "${root[@]}" __complete "$kind" 2>/dev/null)" -- "$whole") ;;
	esac
	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace
	[[ $kind == file || $kind == copied ]] && compopt -o filenames
	[[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -F _dhow dhow
