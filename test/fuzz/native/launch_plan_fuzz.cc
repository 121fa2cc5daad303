// Any bytes are a launch plan or an error; a plan that was accepted can be walked from end to end.
#include <stdlib.h>
#include <string.h>

#include "../../../addon/kernel/plan.h"
#include "read_all.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloister::Arena arena;
  cloister::PlanId(data, size);
  cloister::Result<cloister::LaunchPlan> decoded = cloister::DecodeLaunchPlan(data, size, arena);
  if (!decoded.ok()) return 0;
  const cloister::LaunchPlan& plan = decoded.value();
  if (plan.root >= plan.sources.size) abort();
  cloister::fuzz::ReadAll(plan);
  return 0;
}
