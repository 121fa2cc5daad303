// Work that waits for disks or for others runs on a thread of its own and settles a promise. Never on the four threads that
// Node shares among all of its file system calls: a few unpackings would stop the application's own reads.
#pragma once

#include <napi.h>
#include <pthread.h>
#include <sys/resource.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "../kernel/result.h"
#include "../kernel/thread.h"
#include "convert.h"

namespace cloister::binding {

// `Work` runs on the thread and must not touch JavaScript; `Settle` makes its result a value, back on Node's.
//
//   main thread                 own thread
//   Start ── pthread_create ──► work()
//     │ promise                   │ napi_call_threadsafe_function
//   Finish ◄──────────────────────┘ (the loop stays alive until then)
//
// There is no way to stop it but to end its input: close the pipe that it reads. When its environment ends before that (a worker
// thread that is terminated), the work goes on to its end, and nobody is told.
template <class T>
class Job {
 public:
  using Work = std::function<Result<T>()>;
  using Settle = std::function<Napi::Value(Napi::Env, T&)>;

  static Napi::Value Start(Napi::Env env, const char* name, Work work, Settle settle) {
    auto job = std::unique_ptr<Job>(new Job(std::move(work), std::move(settle)));
    napi_value promise = nullptr;
    if (napi_create_promise(env, &job->promise_, &promise) != napi_ok) return env.Undefined();
    napi_threadsafe_function& report = job->line_->report;
    const napi_status made = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1,
                                                             nullptr, nullptr, nullptr, Finish, &report);
    if (made != napi_ok) return Throw(env, Error("pthread_create(3)", EAGAIN, name));
    // Hooks run last in, first out: this one before the function's own, which would leave us a dead one.
    napi_add_env_cleanup_hook(env, Cut, job->line_.get());
    const Status started = StartDetached(job.get());
    if (!started.ok()) {
      napi_remove_env_cleanup_hook(env, Cut, job->line_.get());
      napi_release_threadsafe_function(report, napi_tsfn_abort);
      return Throw(env, started.error());
    }
    static_cast<void>(job.release());  // the thread's, from here on
    return Napi::Value(env, promise);
  }

 private:
  // The thread's line to JavaScript, until the environment ends. Node does not keep the function for threads that still hold
  // it: https://github.com/nodejs/node/issues/55706.
  struct Line {
    std::mutex mutex;
    bool is_cut = false;
    napi_threadsafe_function report = nullptr;
  };

  Job(Work work, Settle settle) : work_(std::move(work)), settle_(std::move(settle)) {}

  static void Cut(void* argument) {
    auto* line = static_cast<Line*>(argument);
    const std::lock_guard<std::mutex> lock(line->mutex);
    line->is_cut = true;
  }

  static Status StartDetached(Job* job) {
    pthread_t thread;
    CLOISTER_TRY(StartThread(thread, Main, job));
    pthread_detach(thread);
    return {};
  }

  // Where processors are few, the thread that answers the application's events goes first, setpriority(2): of one thread on Linux.
  static void YieldToOthers() {
    const int own = getpriority(PRIO_PROCESS, 0);
    setpriority(PRIO_PROCESS, 0, own + 5);
  }

  static void* Main(void* argument) {
    auto* job = static_cast<Job*>(argument);
    // Finish deletes the job as soon as it is told.
    const std::shared_ptr<Line> line = job->line_;
    YieldToOthers();
    job->result_ = job->work_();
    job->work_ = nullptr;
    const std::lock_guard<std::mutex> lock(line->mutex);
    if (line->is_cut || napi_call_threadsafe_function(line->report, job, napi_tsfn_blocking) != napi_ok) {
      delete job;
      return nullptr;
    }
    napi_release_threadsafe_function(line->report, napi_tsfn_release);
    return nullptr;
  }

  static void Finish(napi_env raw_env, napi_value, void*, void* argument) {
    const std::unique_ptr<Job> job(static_cast<Job*>(argument));
    // The environment ends: only the memory is given back.
    if (raw_env == nullptr || job->line_->is_cut) return;
    napi_remove_env_cleanup_hook(raw_env, Cut, job->line_.get());
    if (!CanRun(raw_env)) return;  // what nobody takes is given back
    const Napi::Env env(raw_env);
    const Napi::HandleScope scope(env);
    if (job->result_.ok()) {
      napi_resolve_deferred(env, job->promise_, job->settle_(env, job->result_.value()));
    } else {
      napi_reject_deferred(env, job->promise_, Describe(env, job->result_.error()));
    }
  }

  napi_deferred promise_ = nullptr;
  Work work_;
  Settle settle_;
  Result<T> result_;
  std::shared_ptr<Line> line_ = std::make_shared<Line>();
};

}  // namespace cloister::binding
