/**
 * Every file system that Hadoop knows (HDFS, S3A and others) behind {@link io.sparkgguf.storage.Storage}.
 *
 * <p>The one package, beside the Spark job, that knows Hadoop. Start at {@link io.sparkgguf.storage.hadoop.HadoopStorage}.
 */
package io.sparkgguf.storage.hadoop;
