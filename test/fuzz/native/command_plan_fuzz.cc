// Any bytes are a command plan or an error; argv and envp of one that was accepted can be given to execve(2).
#include <stdlib.h>

#include "../../../addon/kernel/plan.h"
#include "read_all.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloister::Arena arena;
  cloister::Result<cloister::CommandPlan> decoded = cloister::DecodeCommandPlan(data, size, arena);
  if (!decoded.ok()) return 0;
  const cloister::CommandPlan& plan = decoded.value();
  if (plan.argv.size == 0 || plan.argv.data[plan.argv.size] != nullptr) abort();
  if (plan.env.data[plan.env.size] != nullptr || plan.env.data[plan.env.size + 1] != nullptr) abort();
  cloister::fuzz::ReadAll(plan);
  return 0;
}
