#!/bin/sh
# init.sh: the first program of the virtual machine. It prepares the kernel, two users and a control
# group for each, runs the checks, and ends the machine.
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
mount -t sysfs sysfs /sys
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm && mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -o remount,rw /
dmesg -n 1 # killed processes are expected here
chmod 1777 /tmp /var/tmp
chown -R 0:0 /usr /bin /sbin /lib /etc
chmod 4755 /usr/bin/newuidmap /usr/bin/newgidmap
for m in overlay tun; do modprobe "$m"; done
chmod 666 /dev/net/tun /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx
ip link set lo up 2>/dev/null || ifconfig lo 127.0.0.1
hostname vm

printf 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\nann:x:1000:\nbob:x:1001:\n' >/etc/group
echo 'ann:100000:65536' >/etc/subuid # bob has none
echo 'ann:100000:65536' >/etc/subgid
for u in ann bob; do mkdir -p "/home/$u" && chown "$u:$u" "/home/$u"; done

# As a service manager delegates: the group of a user is the user's, with the controllers enabled for
# it, and processes lie in groups below.
controllers='+cpu +cpuset +io +memory +pids'
echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control
for u in ann bob; do
  g=/sys/fs/cgroup/$u
  mkdir -p "$g/login"
  for f in "$g" "$g/cgroup.procs" "$g/cgroup.subtree_control" "$g/cgroup.threads" "$g/login" "$g/login/cgroup.procs"; do chown "$u:$u" "$f"; done
done
mkdir -p /sys/fs/cgroup/system
echo $$ >/sys/fs/cgroup/system/cgroup.procs

sh /checks.sh
sync
poweroff -f
