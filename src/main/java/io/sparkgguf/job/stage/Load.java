package io.sparkgguf.job.stage;

import java.io.Serializable;
import java.util.ArrayList;

/**
 * What a Spark task is sent: items, and the bytes of heap that each of them takes.
 *
 * @param items in the order in which they are done
 */
record Load<T extends Serializable>(ArrayList<T> items, long[] memory) implements Serializable {}
