# bash completion for dhow; made from its list of commands, do not edit
_dhow() {
	local cur prev verb flags values kind i n=0 word
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--root | --config) ((i++)) ;;
		-*) [ $n = 0 ] || break ;;
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
	'') flags='--root --config --help --version' values='--root --config' kind='words:attach bud build builder buildx commit completion container cp create diff doctor exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait' ;;
	builder) flags=--help kind='words:build prune' ;;
	buildx) flags=--help kind='words:b build prune' ;;
	container) flags=--help kind='words:attach commit cp create diff exec export inspect kill list logs ls pause port prune ps remove rename restart rm run start stats stop top unpause update wait' ;;
	image) flags=--help kind='words:build exists history import inspect list load ls prune pull push remove rm save tag untag' ;;
	manifest) flags=--help kind='words:add annotate create exists inspect push remove rm' ;;
	system) flags=--help kind='words:check df doctor info prune' ;;
	volume) flags=--help kind='words:create exists inspect list ls prune remove rm' ;;
	'build' | 'image build' | 'builder build' | 'buildx build' | 'buildx b' | 'bud') flags='--add-host --build-arg --build-context --file -f --iidfile --label --load --network --no-cache --platform --progress --pull --quiet -q --secret --tag -t --target --help' values='--add-host --build-arg --build-context --file -f --iidfile --label --network --platform --progress --secret --tag -t --target' kind='file' ;;
	'run' | 'container run') flags='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --detach -d --detach-keys --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --env-host --expose --group-add --hostname -h --http-proxy --init --interactive -i --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --no-hosts --oom-score-adj --pid --pids-limit --platform --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --replace --rm --security-opt --shm-size --sig-proxy --stop-signal --stop-timeout --sysctl --timeout --tmpfs --tty -t --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w --help' values='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --detach-keys --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --expose --group-add --hostname -h --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --oom-score-adj --pid --pids-limit --platform --publish -p --pull --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w' kind='image' ;;
	'ps' | 'container ls' | 'container list' | 'container ps') flags='--all -a --filter -f --format --last -n --latest -l --no-trunc --quiet -q --size -s --help' values='--filter -f --format --last -n' kind='' ;;
	'rm' | 'container rm' | 'container remove') flags='--force -f --volumes -v --help' values='' kind='container' ;;
	'create' | 'container create') flags='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --env-host --expose --group-add --hostname -h --http-proxy --init --interactive -i --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --no-hosts --oom-score-adj --pid --pids-limit --platform --privileged --publish -p --publish-all -P --pull --quiet -q --read-only --replace --rm --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --tty -t --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w --help' values='--add-host --annotation --attach -a --blkio-weight --cap-add --cap-drop --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --domainname --entrypoint --env -e --env-file --expose --group-add --hostname -h --ipc --label -l --label-file --log-driver --log-opt --memory -m --memory-reservation --memory-swap --mount --name --network --oom-score-adj --pid --pids-limit --platform --publish -p --pull --security-opt --shm-size --stop-signal --stop-timeout --sysctl --timeout --tmpfs --ulimit --umask --unsetenv --user -u --userns --uts --volume -v --volume-driver --volumes-from --workdir -w' kind='image' ;;
	'start' | 'container start') flags='--attach -a --detach-keys --interactive -i --sig-proxy --help' values='--detach-keys' kind='container' ;;
	'stop' | 'container stop') flags='--signal -s --timeout -t --help' values='--signal -s --timeout -t' kind='container' ;;
	'restart' | 'container restart') flags='--signal -s --timeout -t --help' values='--signal -s --timeout -t' kind='container' ;;
	'kill' | 'container kill') flags='--signal -s --help' values='--signal -s' kind='container' ;;
	'pause' | 'container pause') flags='--help' values='' kind='container' ;;
	'unpause' | 'container unpause') flags='--help' values='' kind='container' ;;
	'wait' | 'container wait') flags='--help' values='' kind='container' ;;
	'attach' | 'container attach') flags='--detach-keys --no-stdin --sig-proxy --help' values='--detach-keys' kind='container' ;;
	'exec' | 'container exec') flags='--detach -d --detach-keys --env -e --env-file --interactive -i --privileged --tty -t --user -u --workdir -w --help' values='--detach-keys --env -e --env-file --user -u --workdir -w' kind='container' ;;
	'logs' | 'container logs') flags='--details --follow -f --since --tail -n --timestamps -t --until --help' values='--since --tail -n --until' kind='container' ;;
	'top' | 'container top') flags='--help' values='' kind='container' ;;
	'stats' | 'container stats') flags='--all -a --format --no-stream --no-trunc --help' values='--format' kind='container' ;;
	'update' | 'container update') flags='--blkio-weight --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --memory -m --memory-reservation --memory-swap --pids-limit --help' values='--blkio-weight --cpu-period --cpu-quota --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --memory -m --memory-reservation --memory-swap --pids-limit' kind='container' ;;
	'cp' | 'container cp') flags='--archive -a --follow-link -L --quiet -q --help' values='' kind='container' ;;
	'diff' | 'container diff') flags='--help' values='' kind='container' ;;
	'commit' | 'container commit') flags='--author -a --change -c --message -m --no-pause --pause -p --help' values='--author -a --change -c --message -m' kind='container' ;;
	'export' | 'container export') flags='--output -o --help' values='--output -o' kind='container' ;;
	'port' | 'container port') flags='--help' values='' kind='container' ;;
	'rename' | 'container rename') flags='--help' values='' kind='container' ;;
	'container prune') flags='--filter --force -f --help' values='--filter' kind='' ;;
	'images' | 'image ls' | 'image list') flags='--all -a --digests --filter -f --format --no-trunc --quiet -q --tree --help' values='--filter -f --format' kind='image' ;;
	'pull' | 'image pull') flags='--all-platforms --all-tags -a --platform --quiet -q --help' values='--platform' kind='image' ;;
	'push' | 'image push') flags='--all-tags -a --compression-format --compression-level --digestfile --platform --quiet -q --help' values='--compression-format --compression-level --digestfile --platform' kind='image' ;;
	'tag' | 'image tag') flags='--help' values='' kind='image' ;;
	'rmi' | 'image rm' | 'image remove') flags='--force -f --platform --help' values='--platform' kind='image' ;;
	'history' | 'image history') flags='--format --human -H --no-trunc --platform --quiet -q --help' values='--format --platform' kind='image' ;;
	'save' | 'image save') flags='--format --output -o --platform --help' values='--format --output -o --platform' kind='image' ;;
	'load' | 'image load') flags='--input -i --platform --quiet -q --help' values='--input -i --platform' kind='file' ;;
	'import' | 'image import') flags='--change -c --message -m --platform --help' values='--change -c --message -m --platform' kind='file' ;;
	'untag' | 'image untag') flags='--help' values='' kind='image' ;;
	'image exists') flags='--help' values='' kind='image' ;;
	'image prune') flags='--all -a --filter --force -f --help' values='--filter' kind='' ;;
	'manifest create') flags='--all --amend -a --annotation --insecure --help' values='--annotation' kind='image' ;;
	'manifest add') flags='--all --annotation --arch --insecure --os --os-features --os-version --variant --help' values='--annotation --arch --os --os-features --os-version --variant' kind='image' ;;
	'manifest annotate') flags='--annotation --arch --os --os-features --os-version --variant --help' values='--annotation --arch --os --os-features --os-version --variant' kind='image' ;;
	'manifest inspect') flags='--insecure --verbose -v --help' values='' kind='image' ;;
	'manifest push') flags='--all --digestfile --format -f --insecure --purge -p --quiet -q --help' values='--digestfile --format -f' kind='image' ;;
	'manifest remove') flags='--help' values='' kind='image' ;;
	'manifest rm') flags='--help' values='' kind='image' ;;
	'manifest exists') flags='--help' values='' kind='image' ;;
	'login') flags='--password -p --password-stdin --username -u --help' values='--password -p --username -u' kind='' ;;
	'logout') flags='--help' values='' kind='' ;;
	'inspect') flags='--format -f --size -s --type --help' values='--format -f --type' kind='object' ;;
	'image inspect') flags='--format -f --platform --help' values='--format -f --platform' kind='image' ;;
	'container inspect') flags='--format -f --size -s --help' values='--format -f' kind='container' ;;
	'volume ls' | 'volume list') flags='--filter -f --format --quiet -q --help' values='--filter -f --format' kind='' ;;
	'volume create') flags='--driver -d --label --opt -o --help' values='--driver -d --label --opt -o' kind='' ;;
	'volume inspect') flags='--format -f --help' values='--format -f' kind='volume' ;;
	'volume rm' | 'volume remove') flags='--force -f --help' values='' kind='volume' ;;
	'volume prune') flags='--all -a --filter --force -f --help' values='--filter' kind='' ;;
	'volume exists') flags='--help' values='' kind='volume' ;;
	'builder prune' | 'buildx prune') flags='--all -a --filter --force -f --keep-storage --help' values='--filter --keep-storage' kind='' ;;
	'system df') flags='--format --verbose -v --help' values='--format' kind='' ;;
	'system prune') flags='--all -a --filter --force -f --volumes --help' values='--filter' kind='' ;;
	'system check') flags='--quick --quiet -q --repair -r --help' values='' kind='' ;;
	'info' | 'system info') flags='--format -f --help' values='--format -f' kind='' ;;
	'doctor' | 'system doctor') flags='--format -f --help' values='--format -f' kind='' ;;
	'unshare') flags='--help' values='' kind='file' ;;
	'version') flags='--format -f --help' values='--format -f' kind='' ;;
	'completion') flags='--help' values='' kind='words:bash zsh fish' ;;
	'man') flags='--help' values='' kind='' ;;
	'help') flags='--help' values='' kind='words:attach bud build builder buildx commit completion container cp create diff doctor exec export help history image images import info inspect kill load login logout logs man manifest pause port ps pull push rename restart rm rmi run save start stats stop system tag top unpause unshare untag update version volume wait' ;;
	*) return ;;
	esac
	if [[ " $values " == *" $prev "* ]]; then
		case $prev in
		--progress) kind='words:auto plain tty rawjson quiet' ;;
		--pull) kind='words:always missing never' ;;
		--network) kind='words:bridge none host' ;;
		*) kind='file' ;;
		esac
	elif [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
		return
	fi
	case $kind in
	words:*) mapfile -t COMPREPLY < <(compgen -W "${kind#words:}" -- "$cur") ;;
	file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	image | container | volume | object)
		mapfile -t COMPREPLY < <(compgen -W "$(dhow __complete "$kind" 2>/dev/null)" -- "$cur")
		if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
			local colon=${cur%"${cur##*:}"}
			COMPREPLY=("${COMPREPLY[@]#"$colon"}")
		fi
		;;
	esac
}
complete -o filenames -F _dhow dhow
