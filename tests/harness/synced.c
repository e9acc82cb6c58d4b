/* Preloaded into a process, keeps a copy of each file as it was when it was last synced: what a disk
 * has after a power failure, if nothing that was not synced came to it. Copies are named by inode,
 * in the folder of the variable SYNCED. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void keep(int descriptor) {
  const char *folder = getenv("SYNCED");
  struct stat file;
  if (folder == NULL || fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode)) return;
  char path[64], copy[4096], unfinished[4096], buffer[65536];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  snprintf(copy, sizeof copy, "%s/%lu", folder, (unsigned long)file.st_ino);
  snprintf(unfinished, sizeof unfinished, "%s.%d", copy, (int)syscall(SYS_gettid));
  int from = open(path, O_RDONLY), to = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ssize_t length;
  while (from >= 0 && to >= 0 && (length = read(from, buffer, sizeof buffer)) > 0)
    if (write(to, buffer, length) != length) abort();
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  rename(unfinished, copy);
}

int fsync(int descriptor) {
  keep(descriptor);
  return syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
  keep(descriptor);
  return syscall(SYS_fdatasync, descriptor);
}
