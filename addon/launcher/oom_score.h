// Whom the kernel kills when memory is short. What a program has in pipes, sockets and files without a name is charged to its control
// group but is nobody's memory: by its size alone, init would be killed as likely as the program that fills them, and the sandbox
// with it. So init's programs score higher than init, proc_pid_oom_score_adj(5).
#pragma once

#include "../kernel/unique_fd.h"

namespace cloister {

class OomScore {
 public:
  // Of this process, while its /proc is still the host's. Where it cannot be had, all score the same.
  void Open();
  // While this lives, what is forked scores higher. A process's own score is not a limit for those that want it lower again: the
  // program can go down to init's, never below.
  class Raised {
   public:
    explicit Raised(const OomScore& score) : score_(score) { score_.Set(score_.own_ + kMore); }
    ~Raised() { score_.Set(score_.own_); }
    Raised(const Raised&) = delete;
    Raised& operator=(const Raised&) = delete;

   private:
    const OomScore& score_;
  };

 private:
  static constexpr int kMore = 100;  // as if it held a tenth of all the memory that its group may use

  void Set(int score) const;

  UniqueFd file_;
  int own_ = 0;
};

}  // namespace cloister
