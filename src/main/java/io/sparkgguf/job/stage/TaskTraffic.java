package io.sparkgguf.job.stage;

import io.sparkgguf.storage.Traffic;
import org.apache.spark.TaskContext;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.apache.spark.executor.TaskMetrics;
import scala.Function0;

/** Tells Spark what a task read and wrote, for its UI, its event log and its metrics. Belongs to the task's thread. */
final class TaskTraffic {
    private final TaskMetrics metrics;
    private final Function0<Object> hadoopWritten = SparkHadoopUtil.get().getFSBytesWrittenOnThreadCallback();
    private final Traffic before = Traffic.ofThread();

    private TaskTraffic(TaskMetrics metrics) {
        this.metrics = metrics;
    }

    static TaskTraffic begin(TaskContext context) {
        return new TaskTraffic(context.taskMetrics());
    }

    void end() {
        Traffic after = Traffic.ofThread();
        metrics.inputMetrics().setBytesRead(after.read() - before.read());
        metrics.outputMetrics().setBytesWritten(after.written() - before.written() + (Long) hadoopWritten.apply());
    }
}
