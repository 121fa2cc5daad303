/**
 * Linux container isolation inside a Node.js application.
 *
 * @packageDocumentation
 */
export { CloisterError, ERROR_CODES, type ErrorCode, type ErrorDetails } from './errors.js';
export { Sandbox } from './api/sandbox.js';
export type { SandboxState } from './api/sandbox-state.js';
export { SandboxProcess, type OutputChunk } from './api/process.js';
export { Volume, type VolumeMount } from './api/volume.js';
export { Host } from './api/host.js';
export type { HostOptions } from './api/host-options.js';
export type { CommitOptions } from './api/commit-options.js';
export type { ImageConfigOptions } from './api/config-spec.js';
export { Image } from './api/image.js';
export type { PushedImage } from './api/image-transfer.js';
export type { ImageDetails, ImageHistoryEntry, ImageLayer, ImagePlatform } from './api/image-facts.js';
export type {
  ImageImportOptions,
  ImageListOptions,
  ImageLoadOptions,
  ImageOptions,
  ImagePruneOptions,
  ImagePullOptions,
  ImagePushOptions,
  ImageRemoveOptions,
  ImageSaveOptions,
  ImageTransferOptions,
} from './api/image-options.js';
export type { DoctorCheck, DoctorReport } from './api/doctor.js';
export type {
  CommandStamp,
  EventStamp,
  HostEvent,
  ImageDigestStamp,
  ImageEventName,
  ImageEvents,
  ImageStamp,
  SandboxEventName,
  SandboxEvents,
  SandboxStats,
} from './api/events.js';
export type {
  DeviceOption,
  ExecOptions,
  HealthOptions,
  IoOptions,
  LimitOptions,
  ProcessOptions,
  RunOptions,
  SandboxOptions,
  SecurityOptions,
  UserOption,
} from './api/options.js';
export type { ProcessInfo } from './api/processes.js';
export type { CommandResult, EndReason, Usage } from './runtime/result.js';
export type { Capability, SecurityProfile } from './security/capabilities.js';
export type { RlimitName, RlimitValue } from './security/rlimits.js';
export type {
  SeccompProfile,
  SeccompProfileArgument,
  SeccompProfileRule,
  SeccompProfileScope,
} from './security/seccomp/profile.js';
export type { DeviceRule } from './cgroup/limits.js';
export type { CgroupPressure, Stall, StallShare } from './cgroup/usage.js';
export type { IdMapEntry } from './native/plan.js';
export type { Duration, Size } from './shared/quantity.js';
export type { HealthReport, HealthStatus } from './runtime/health.js';
export type { PullPolicy } from './runtime/image.js';
export type { StorageDriver } from './rootfs/choose.js';
export { openLayer, removeLayer, unpackLayer, type UnpackedLayer } from './api/driver-tools.js';
export type { LayerArchive, Snapshot, Snapshotter, StoredLayer, Unusable } from './shared/snapshotter.js';
export type { Digest, DigestAlgorithm } from './shared/digest.js';
export type { ExposedPort } from './image/exposed-ports.js';
export type { HistoryEntry, ImageConfig } from './image/image-config.js';
export type { Healthcheck } from './image/healthcheck.js';
export type { Platform } from './image/platform.js';
export type { ImageProgress, LayerPhase, OnProgress } from './image/progress.js';
export type { RemovedContent } from './image/remove.js';
export { RegistryClient } from './image/registry/client.js';
export type { BlobPrefix } from './image/registry/blob-download.js';
export type { UploadOptions, UploadResult } from './image/registry/blob-upload.js';
export type { OpenSource } from './image/registry/upload-source.js';
export type { RegistryAnswer, RegistryProblem } from './image/registry/failure.js';
export type { FetchedManifest, ManifestOptions } from './image/registry/manifests.js';
export type { Descriptor } from './image/descriptor.js';
export type { ImageIndex, ImageManifest, Manifest } from './image/manifest.js';
export { parseReference, type Reference, type Repository } from './image/reference.js';
export type { RegistryOptions } from './image/registry/options.js';
export type { Credentials } from './image/registry/auth/credentials.js';
export type { TlsOptions } from './image/registry/http/certificates.js';
