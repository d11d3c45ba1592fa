#!/bin/bash
# What people start first: redis, a flask application behind nginx, cron, sshd; and a source tree mounted.
. "$(dirname "$0")/lib.sh"
image services
me=$(ip -o route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')

# cron waits for the next minute; meanwhile the others are tried.
printf '* * * * * root date > /tick/now\n' >job
chmod 644 job
ok "cron starts" x run -d --name cron -v tick:/tick -v "$PWD/job:/etc/cron.d/job:ro" services cron -f

# redis with its log on a volume.
ok "redis starts" x run -d --name redis -p 6379 -v redis:/var/lib/redis --user redis -w /var/lib/redis services redis-server --appendonly yes --bind 0.0.0.0 --protected-mode no
r() { x exec redis redis-cli "$@"; }
ok "answers" until_ok 30 r ping
ok "keeps a value" eq "$(r set greeting hello)" OK
ok "through its port" has "$(exec 3<>"/dev/tcp/127.0.0.1/$(port redis 6379)" && printf 'GET greeting\r\n' >&3 && timeout 2 head -c 11 <&3)" hello
ok "stops" x stop redis
ok "gracefully" eq "$(x inspect -f '{{.State.ExitCode}}' redis)" 0
ok "starts" x start redis
ok "answers again" until_ok 30 r ping
ok "the value is there" eq "$(r get greeting)" hello

# flask, and nginx before it in another container.
ok "flask starts" x run -d --name flask -p 5000 -v counter:/var/lib/counter -e PYTHONUNBUFFERED=1 services python3 /srv/flask_app.py
ok "answers" until_ok 30 get "http://127.0.0.1:$(port flask 5000)/"
ok "counts" has "$(get "http://127.0.0.1:$(port flask 5000)/")" 'visit 2 via nobody'
ok "its log" has "$(x logs flask 2>&1)" '"GET / HTTP/1.1" 200'
if [ -n "$me" ]; then
  ok "nginx starts" x run -d --name proxy -p 8080 -e UP="host.docker.internal:$(port flask 5000)" services \
    sh -c 'sed "s/UPSTREAM/$UP/" /etc/nginx/conf.d/proxy.conf.in > /etc/nginx/conf.d/proxy.conf && exec nginx -g "daemon off;"'
  ok "answers for flask" until_ok 30 get "http://127.0.0.1:$(port proxy 8080)/"
  ok "knows the client's address" has "$(get "http://$me:$(port proxy 8080)/")" "via $me"
  ok "reloads" x exec proxy nginx -s reload
  ok "still answers" until_ok 10 get "http://127.0.0.1:$(port proxy 8080)/"
  ok "many at once" bash -c "$(declare -f get); seq 200 | xargs -P 20 -I{} curl -fsS -m 10 -o /dev/null http://127.0.0.1:$(port proxy 8080)/"
  ok "quits on SIGQUIT" x stop -s QUIT proxy
  ok "gracefully" eq "$(x inspect -f '{{.State.ExitCode}}' proxy)" 0
fi

# sshd: privilege separation, a login, a terminal.
ssh-keygen -q -t ed25519 -N '' -f key
ok "sshd starts" x run -d --name sshd -p 22 -v "$PWD/key.pub:/root/.ssh/authorized_keys:ro" services sh -c 'mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -o StrictModes=no'
s() { ssh -i key -p "$(port sshd 22)" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 "$@"; }
ok "a login" until_ok 30 s true
ok "as root" eq "$(s id -un)" root
ok "with a terminal" has "$(s -tt tty </dev/null)" /dev/pts/
ok "copies a file" eq "$(s 'cat > /tmp/f; sha256sum < /tmp/f' <"$DHOW_DATA/ca.crt")" "$(sha256sum <"$DHOW_DATA/ca.crt")"

ok "cron's minute" until_ok 75 x exec cron test -s /tick/now

# A source tree, edited here, made there.
mkdir src
printf 'out: in\n\ttr a-z A-Z < in > out\n' >src/Makefile
echo hello >src/in
ok "make in a mounted tree" x run --rm -v "$PWD/src:/w" -w /w services make
ok "made" eq "$(cat src/out)" HELLO
ok "the file is the caller's" eq "$(stat -c %u src/out)" "$(id -u)"
echo edited >src/in
ok "made again after an edit" x run --rm -v "$PWD/src:/w" -w /w services make
ok "of what was edited" eq "$(cat src/out)" EDITED

# Pipelines.
printf 'FROM services\nCOPY in /in\nRUN tr a-z A-Z < /in > /out\nENTRYPOINT ["cat"]\n' >src/Dockerfile
ok "a context through a pipe" bash -c "$(declare -f x); tar c -C src . | x build -q -t piped - | grep -q ^sha256:"
ok "run in a pipe" eq "$(echo data | x run -i --rm piped /out - | tr '\n' ' ')" 'EDITED data '
ok "by its id" eq "$(x run --rm "$(x build -q src)" /out)" EDITED

# git, from a server on this machine.
if [ -n "$me" ]; then
  git init -q repo && git -C repo -c user.name=a -c user.email=a@example.test commit -q --allow-empty -m first
  p=$((20000 + RANDOM % 10000))
  git daemon --reuseaddr --base-path="$PWD" --export-all --listen="$me" --port=$p --pid-file="$PWD/git.pid" --detach
  printf 'FROM services\nARG URL\nRUN git clone -q $URL /r && git -C /r log --format=%%s | grep -x first\n' >clone.Dockerfile
  ok "git clone in RUN" x build -q --no-cache --build-arg "URL=git://$me:$p/repo" -f clone.Dockerfile src
  kill "$(cat git.pid)"
fi
