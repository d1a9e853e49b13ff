/**
 * Safetensors files and the shards of a checkpoint: where each tensor's bytes lie, checked strictly; and writing one.
 *
 * <p>Reads headers and indexes only, never a weight, and knows no other format and no model. The format is one length, one
 * JSON object and the tensors' bytes without a gap, as the safetensors project specifies it. Start at
 * {@link io.sparkgguf.format.safetensors.SafetensorsCheckpoint}.
 */
package io.sparkgguf.format.safetensors;
