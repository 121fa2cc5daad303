#include "oom_score.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace cloister {
namespace {

constexpr int kHighest = 1000;

}  // namespace

void OomScore::Open() {
  // What /proc shows of a process that is not dumpable is the host's root's. Nothing else runs in here yet.
  prctl(PR_SET_DUMPABLE, 1);
  file_ = UniqueFd(open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  prctl(PR_SET_DUMPABLE, 0);
  char text[16] = "";
  if (file_.valid() && read(file_.get(), text, sizeof text - 1) > 0) own_ = static_cast<int>(strtol(text, nullptr, 10));
}

void OomScore::Set(int score) const {
  if (!file_.valid()) return;
  char text[16];
  const int n = snprintf(text, sizeof text, "%d", score < kHighest ? score : kHighest);
  // Nothing depends on it but who is killed first.
  if (pwrite(file_.get(), text, static_cast<size_t>(n), 0) != n) return;
}

}  // namespace cloister
