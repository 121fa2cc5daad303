// The native tests: doctest, with the counts of a run written where CLOISTER_TEST_COUNTS says, as test/support/strict-reporter.ts does.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>

namespace {

class Counts : public doctest::IReporter {
 public:
  explicit Counts(const doctest::ContextOptions&) {}

  void test_run_end(const doctest::TestRunStats& run) override {
    const char* path = getenv("CLOISTER_TEST_COUNTS");
    if (path == nullptr) return;
    const unsigned passed = run.numTestCasesPassingFilters - run.numTestCasesFailed;
    std::ofstream(path, std::ios::app) << "{\"passed\":" << passed << ",\"failed\":" << run.numTestCasesFailed << "}\n";
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

DOCTEST_REGISTER_LISTENER("counts", 1, Counts);
