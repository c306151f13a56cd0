#!/bin/sh
# A pure room reaches no clock, no randomness, no file, no socket, no process: purity.sh [--impure] ARCHIVE…
# With --impure the archives are expected to reach out, by clock_gettime and open: the test of this lint.
#
# Looks at what the archives leave undefined. Spellings that the C library makes of a name are reduced to it: __read_chk, open64,
# __isoc99_sscanf, and the underscore of macOS.
set -eu

denied='
accept access bind chdir clock clock_getres clock_gettime clock_nanosleep close connect creat dlopen drand48 dup dup2 environ
epoll_create1 epoll_ctl epoll_wait execl execle execlp execv execve execvp exit fclose fdatasync fdopen fgets fopen fork fread freopen
fseek fstat fsync ftruncate getaddrinfo getchar getenv getentropy getline getpid getrandom gettimeofday gmtime ioctl kill listen
localtime lrand48 lseek lstat mkdir mkstemp mktime mmap mrand48 nanosleep open openat opendir pclose perror pipe pipe2 poll popen
posix_fallocate posix_spawn posix_spawnp pread pselect pthread_create pthread_mutex_lock putchar puts printf pwrite raise rand rand_r
random read readv recv recvfrom recvmsg rename rmdir scanf secure_getenv select send sendmsg sendto setenv setlocale sigaction signal
sleep socket socketpair srand srand48 srandom stat stdin stdout syscall system thrd_create time times timespec_get uname unlink usleep
vfork vprintf wait waitpid write writev
'

impure=
if [ "$1" = --impure ]; then
  impure=1
  shift
fi

bad=0
all_found=
for archive in "$@"; do
  if ! symbols=$(nm -A -u "$archive" 2>/dev/null) || [ -z "$symbols" ]; then
    echo "$archive: nm finds nothing there: is it an archive of objects?"
    exit 2
  fi
  # Lines of nm: "archive:object: U name@version".
  found=$(printf '%s\n' "$symbols" | awk -v denied="$denied" '
    BEGIN {
      n = split(denied, names)
      for (i = 1; i <= n; i++) is_denied[names[i]] = 1
    }
    {
      full = $NF
      name = full
      sub(/@.*/, "", name)
      sub(/^_+/, "", name)
      sub(/^isoc[0-9]+_/, "", name)
      sub(/_chk$/, "", name)
      if (!(name in is_denied)) { sub(/_2$/, "", name); sub(/64(_time64)?$/, "", name) }
      if (name in is_denied || name ~ /^uv_/ || name ~ /^lua_/ || name ~ /^luaL_/) {
        object = $0
        sub(/: *U .*/, "", object)
        sub(/.*[\/]/, "", object)
        print object ": reaches " full
      }
    }')
  if [ -n "$found" ]; then
    printf '%s\n' "$found"
    all_found="$all_found $found"
    bad=1
  fi
done
if [ -n "$impure" ]; then
  case $all_found in *clock_gettime*open* | *open*clock_gettime*) exit 0 ;; esac
  echo "the lint has missed clock_gettime or open"
  exit 1
fi
if [ "$bad" = 1 ]; then
  echo "A pure room gets time, randomness and bytes as arguments: move the call to the room that calls it (src/host, src/sim)."
fi
exit "$bad"
