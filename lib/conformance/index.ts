/**
 * Tests of the interfaces that an application may implement itself.
 *
 * @packageDocumentation
 */
export { snapshotterConformance, type ConformanceCase } from './snapshotter.js';
