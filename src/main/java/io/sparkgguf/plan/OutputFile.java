package io.sparkgguf.plan;

/**
 * One file of the output, laid out down to the last byte.
 *
 * @param file its final name
 * @param header the bytes before the data section, padding included
 * @param length bytes of the whole file
 * @param tensors how many it holds
 */
public record OutputFile(String file, byte[] header, long length, int tensors) {}
