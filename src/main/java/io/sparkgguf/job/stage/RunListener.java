package io.sparkgguf.job.stage;

import org.apache.spark.ExceptionFailure;
import org.apache.spark.Success$;
import org.apache.spark.TaskEndReason;
import org.apache.spark.TaskKilled;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerSpeculativeTaskSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;

/** Tells of what Spark makes up for by itself, and would otherwise be seen in its UI alone. */
final class RunListener extends SparkListener {
    private final boolean local;
    private volatile boolean ending;
    private boolean some; // of Spark's one listener thread, as the writes of the next
    private volatile int lostInVain;
    private volatile String lastLoss;

    /** @param local in an embedded Spark a task that fails is not tried again: the run ends, and says why */
    RunListener(boolean local) {
        this.local = local;
    }

    /** From now on executors go because they were told to. */
    void ending() {
        ending = true;
    }

    /** Executors that went since the start when none came, on a cluster that goes on trying. */
    int lostInVain() {
        return lostInVain;
    }

    /** Why the last executor went; null when none did. */
    String lastLoss() {
        return lastLoss;
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart start) {
        if (start.taskInfo().attemptNumber() > 0 && !start.taskInfo().speculative()) {
            Telemetry.TASKS_RETRIED.increment();
        }
    }

    @Override
    public void onTaskEnd(SparkListenerTaskEnd end) {
        TaskEndReason reason = end.reason();
        if (local || ending || reason instanceof Success$ || reason instanceof TaskKilled) {
            return; // a copy that came second is killed, and so is what a failed stage leaves
        }
        Events.warn(
                "task.failed",
                "stage",
                Telemetry.stage().name(),
                "task",
                end.taskInfo().index(),
                "attempt",
                end.taskInfo().attemptNumber(),
                "executor",
                end.taskInfo().executorId(),
                "host",
                end.taskInfo().host(),
                "reason",
                explained(reason));
    }

    private static String explained(TaskEndReason reason) {
        String text = reason instanceof ExceptionFailure failure ? failure.description() : reason.toString();
        int end = text == null ? -1 : text.indexOf('\n');
        return end < 0 ? String.valueOf(text) : text.substring(0, end);
    }

    @Override
    public void onSpeculativeTaskSubmitted(SparkListenerSpeculativeTaskSubmitted task) {
        Events.info("task.speculated", "stage", Telemetry.stage().name(), "task", task.taskIndex());
    }

    @Override
    public void onExecutorAdded(SparkListenerExecutorAdded added) {
        some = true;
        Events.info(
                "executor.added",
                "executor",
                added.executorId(),
                "host",
                added.executorInfo().executorHost(),
                "cores",
                added.executorInfo().totalCores());
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        if (!ending) {
            lastLoss = removed.reason();
            lostInVain = some ? 0 : lostInVain + 1;
            Telemetry.EXECUTORS_LOST.increment();
            Events.warn("executor.lost", "executor", removed.executorId(), "reason", removed.reason());
        }
    }
}
