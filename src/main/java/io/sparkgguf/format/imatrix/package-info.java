/**
 * Importance-matrix files, both formats of llama.cpp: how strongly each input column of a weight was driven by
 * calibration text.
 *
 * <p>A file is read as an index ({@link io.sparkgguf.format.imatrix.ImatrixFile}, start here); values are loaded where
 * they are needed, one matrix at a time ({@link io.sparkgguf.format.imatrix.Importance}), since those of a large mixture
 * of experts take gigabytes. {@link io.sparkgguf.format.imatrix.ImatrixWriter} writes both. Facts: tools/imatrix and common/imatrix-loader.cpp of llama.cpp b10572. The GGUF container
 * itself is {@code format.gguf}'s.
 */
package io.sparkgguf.format.imatrix;
