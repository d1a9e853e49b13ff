/**
 * Quantization-aware training on the exact grids of GGUF, of one block or of all blocks of a model together: in memory, without
 * Spark.
 *
 * <p>A block's backward pass, fake quantization with straight-through gradients, optimizers and the training itself. Knows no
 * file, no checkpoint and no cluster: who trains on many machines takes the gradients of sequences from {@link
 * io.sparkgguf.qat.BlockPass} and adds them in a fixed order. Start at {@link io.sparkgguf.qat.BlockPass}; then {@link
 * io.sparkgguf.qat.BlockTrainer} trains a block towards the output of the unquantized one, and {@link
 * io.sparkgguf.qat.MemoryModel} gives the gradients of all blocks towards the predictions of the unquantized model.
 */
package io.sparkgguf.qat;
