#!/bin/sh
# run.sh: boots a virtual machine whose users have control groups (cgroup v2), and runs the checks of
# limits, pause, stats and update in it: `make vm-test` calls it with bin/dhow built.
#
#   tests/vm/run.sh [SCRIPT]    SCRIPT runs in the machine instead of checks.sh
#
# The machine is emulated in software, so it needs no /dev/kvm; its kernel and programs come from
# Debian packages that are unpacked below .cache/vm, so it needs no root either. It boots in some ten
# seconds, and everything takes about ten times as long in it as outside.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
script=${1:-$here/checks.sh}
cache=$top/.cache/vm
limit=${DHOW_VM_SECONDS:-1800}
die() { echo "vm-test: $*" >&2; exit 1; }

missing=''
for need in qemu-system-x86_64:qemu-system-x86 mke2fs:e2fsprogs apt-get:apt dpkg-deb:dpkg gzip:gzip; do
  PATH=$PATH:/usr/sbin:/sbin command -v "${need%%:*}" >/dev/null || missing="$missing ${need#*:}"
done
[ -z "$missing" ] || die "programs are missing; install them with: sudo apt-get install -y --no-install-recommends$missing"
PATH=$PATH:/usr/sbin:/sbin
[ -x "$top/bin/dhow" ] || die "bin/dhow is missing: run make vm-test"

# Debian's packages: the kernel, a shell, and newuidmap with its libraries.
kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "apt knows no linux-image-cloud-amd64: this takes a Debian machine (amd64) after: sudo apt-get update"
packages="$kernel busybox-static uidmap libc6 libaudit1 libcap-ng0 libselinux1 libpcre2-8-0"
tree=$cache/$kernel
if [ ! -e "$tree/ready" ]; then
  rm -rf "$tree" && mkdir -p "$tree/debs" "$tree/root"
  # shellcheck disable=SC2086
  (cd "$tree/debs" && apt-get download -qq $packages 2>/dev/null) || die "apt-get download $packages: try sudo apt-get update"
  for deb in "$tree"/debs/*.deb; do dpkg-deb -x "$deb" "$tree/root"; done
  rm -r "$tree/debs"
  "$tree/root/bin/busybox" depmod -b "$tree/root" "${kernel#linux-image-}"
  : >"$tree/ready"
fi
release=${kernel#linux-image-}
root=$tree/root

work=$(mktemp -d "${TMPDIR:-/var/tmp}/dhow-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The first file system, in memory, loads what the disk needs and goes over to it.
mkdir -p "$work/initrd/bin" "$work/initrd/dev" "$work/initrd/proc" "$work/initrd/disk"
cp "$root/bin/busybox" "$work/initrd/bin/busybox"
ln -s busybox "$work/initrd/bin/sh"
modules=$root/lib/modules/$release
wanted() { # the files of a module and of all it needs, the needed ones last
  sed -n "s|^\(\(.*/\)\?$1\.ko[^:]*\): *\(.*\)|\1 \3|p" "$modules/modules.dep" | head -n 1
}
: >"$work/order"
for m in virtio_pci virtio_blk ext4; do
  for f in $(wanted "$m" | tr ' ' '\n' | sed '1!G;h;$!d'); do
    grep -qx "$f" "$work/order" 2>/dev/null || echo "$f" >>"$work/order"
  done
done
{
  echo '#!/bin/sh'
  echo '/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t devtmpfs dev /dev'
  while read -r f; do
    cp "$modules/$f" "$work/initrd/$(basename "$f")"
    echo "/bin/busybox insmod /$(basename "$f")"
  done <"$work/order"
  echo '/bin/busybox mount -t ext4 /dev/vda /disk || exec /bin/busybox poweroff -f'
  echo '/bin/busybox umount /proc; exec /bin/busybox switch_root /disk /sbin/vm-init'
} >"$work/initrd/init"
chmod 755 "$work/initrd/init"
(cd "$work/initrd" && find . | "$root/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd.gz"

# The disk: the packages, this dhow, and the scripts.
disk=$work/disk
mkdir -p "$disk"
cp -a "$root/." "$disk/"
rm -rf "${disk:?}/boot" "$disk/usr/share/doc" "$disk/usr/share/locale" "$disk/lib/modules/$release/kernel/drivers/net/ethernet"
for d in dev proc sys tmp run root home sbin usr/local/bin var/tmp etc; do mkdir -p "$disk/$d"; done
ln -sf busybox "$disk/bin/sh"
cp "$top/bin/dhow" "$disk/usr/local/bin/dhow"
cp "$here/init.sh" "$disk/sbin/vm-init"
cp "$script" "$disk/checks.sh"
chmod 755 "$disk/sbin/vm-init" "$disk/checks.sh" "$disk/usr/local/bin/dhow"
mke2fs -q -F -t ext4 -d "$disk" "$work/disk.img" 1g >/dev/null
rm -rf "$disk"

status=0
timeout --foreground "$limit" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
  -nodefaults -no-reboot -display none -serial stdio -net none \
  -kernel "$root/boot/vmlinuz-$release" -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1" \
  -drive "file=$work/disk.img,format=raw,if=virtio,cache=unsafe" </dev/null | tee "$work/out" || status=$?
if grep -q '^vm-test: [0-9]* passed, 0 failed' "$work/out"; then exit 0; fi
grep -q '^vm-test: [0-9]* passed' "$work/out" && exit 1
die "the machine has not come to the end of the checks in $limit seconds (status $status)"
