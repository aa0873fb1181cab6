# boot.sh UNITS LOG: systemd as pid 1 of namespaces of its own, in a cgroup of its own, with the units in a folder. It is
# run in a mount namespace already. Nothing outside is touched but that cgroup, which goes when systemd has ended.
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
# Over whatever is there: cgroup2 is refused a mount point that has it already.
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/hotswap-test-$$
mkdir "$group"
echo $$ > "$group/cgroup.procs"
status=0
# systemd sees its own cgroup as the root: two that run at once do not find each other's.
unshare --cgroup --mount --pid --uts --ipc --fork --kill-child sh -ec '
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t proc proc /proc
  # What systemd takes for the log of the kernel may be a file; a console has to be a terminal.
  mount --bind "$1" /dev/kmsg
  export SYSTEMD_UNIT_PATH="$0" container=test
  exec /lib/systemd/systemd --system --unit=idle.target --log-target=kmsg --log-level=info --show-status=no
' "$1" "$2" || status=$?
echo $$ > /sys/fs/cgroup/cgroup.procs
find "$group" -depth -type d -exec rmdir {} +
exit $status
