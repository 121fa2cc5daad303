#include "../../addon/launcher/oom_score.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

using cloister::OomScore;
using cloister::UniqueFd;

namespace {

int OwnScore() {
  const UniqueFd file(open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC));
  char text[16] = "";
  return read(file.get(), text, sizeof text - 1) > 0 ? static_cast<int>(strtol(text, nullptr, 10)) : -1;
}

int ScoreOfChild() {
  const pid_t pid = fork();
  if (pid == 0) _exit(OwnScore() / 10);
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status) * 10;
}

// In a process of its own, which Open() leaves not dumpable.
template <typename Function>
int InChild(const Function& function) {
  const pid_t pid = fork();
  if (pid == 0) _exit(function());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("what is forked meanwhile scores higher, what comes before and after does not") {
  CHECK(InChild([] {
          const int own = OwnScore();
          OomScore score;
          score.Open();
          if (ScoreOfChild() != own / 10 * 10) return 1;
          {
            const OomScore::Raised raised(score);
            if (ScoreOfChild() != (own + 100 < 1000 ? own + 100 : 1000) / 10 * 10) return 2;
          }
          return OwnScore() == own && ScoreOfChild() == own / 10 * 10 ? 0 : 3;
        }) == 0);
}

TEST_CASE("without the file nothing is changed") {
  const OomScore score{};
  const int own = OwnScore();
  const OomScore::Raised raised(score);
  CHECK(OwnScore() == own);
}
