/**
 * Quantization-aware training of one block on the exact grids of GGUF: in memory, without Spark.
 *
 * <p>A block's backward pass, fake quantization with straight-through gradients, optimizers and the training itself. Knows no
 * file, no checkpoint and no cluster: who trains on many machines takes the gradients of sequences from {@link
 * io.sparkgguf.qat.BlockPass} and adds them in a fixed order. Start at {@link io.sparkgguf.qat.BlockPass}.
 */
package io.sparkgguf.qat;
