/**
 * What everybody speaks: element and block types, shapes, where a tensor's bytes lie, and typed metadata.
 *
 * <p>Holds no arithmetic on weights, no input or output, and depends on nothing. Start at
 * {@link io.sparkgguf.tensor.BlockType}; {@link io.sparkgguf.tensor.Encoding} joins it with the checkpoints' scalar types.
 */
package io.sparkgguf.tensor;
