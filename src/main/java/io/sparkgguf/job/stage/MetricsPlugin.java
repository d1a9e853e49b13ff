package io.sparkgguf.job.stage;

import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import io.sparkgguf.storage.Retries;
import io.sparkgguf.storage.Traffic;
import java.util.Iterator;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.StorageStatistics;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Our figures among Spark's own metrics, for whatever sinks its configuration names. They are called {@code
 * APPLICATION.PROCESS.plugin.io.sparkgguf.job.stage.MetricsPlugin.NAME}.
 *
 * <p>Of the driver: {@code stage.*} tell of the stage that runs (its name, items, how many are done, the share of its work
 * that is, seconds left, bytes or tokens a second), {@code run.*} count over all stages (stages, items, items known from an
 * earlier run, bytes, tokens, attempts after the first one, executors that were lost). Of an executor: {@code items} that it
 * ran and the {@code itemSeconds} they took, bytes of {@code memoryHeld} by tasks, {@code tasksWaitingForMemory}. Of both:
 * {@code bytesRead}, {@code bytesWritten}, {@code readsRetried}. An embedded Spark has each once.
 */
public final class MetricsPlugin implements SparkPlugin {
    @Override
    public DriverPlugin driverPlugin() {
        return new DriverPlugin() {
            @Override
            public Map<String, String> init(SparkContext context, PluginContext plugin) {
                return Map.of();
            }

            @Override
            public void registerMetrics(String application, PluginContext plugin) {
                MetricRegistry registry = plugin.metricRegistry();
                gauge(registry, "stage.name", () -> Telemetry.stage().name());
                gauge(registry, "stage.items", () -> Telemetry.stage().items());
                gauge(registry, "stage.itemsDone", () -> Telemetry.stage().itemsDone());
                gauge(registry, "stage.progress", () -> Telemetry.stage().progress());
                gauge(registry, "stage.secondsLeft", () -> Telemetry.stage().secondsLeft());
                gauge(registry, "stage.bytesPerSecond", () -> Telemetry.stage().rate(Progress.Unit.BYTES));
                gauge(registry, "stage.tokensPerSecond", () -> Telemetry.stage().rate(Progress.Unit.TOKENS));
                gauge(registry, "run.stages", Telemetry.STAGES_DONE::sum);
                gauge(registry, "run.items", Telemetry.ITEMS_DONE::sum);
                gauge(registry, "run.itemsRecalled", Telemetry.ITEMS_RECALLED::sum);
                gauge(registry, "run.bytes", Telemetry.BYTES_DONE::sum);
                gauge(registry, "run.tokens", Telemetry.TOKENS_DONE::sum);
                gauge(registry, "run.tasksRetried", Telemetry.TASKS_RETRIED::sum);
                gauge(registry, "run.executorsLost", Telemetry.EXECUTORS_LOST::sum);
                if (!Session.isLocal(plugin.conf().get("spark.master"))) { // else the executor in it has the same
                    registerProcess(registry);
                }
            }
        };
    }

    @Override
    public ExecutorPlugin executorPlugin() {
        return new ExecutorPlugin() {
            @Override
            public void init(PluginContext plugin, Map<String, String> settings) {
                MetricRegistry registry = plugin.metricRegistry();
                gauge(registry, "items", Telemetry.ITEMS_RUN::sum);
                gauge(registry, "itemSeconds", () -> Telemetry.BUSY_NANOS.sum() / 1e9);
                gauge(registry, "memoryHeld", MemoryGate.HERE::held);
                gauge(registry, "tasksWaitingForMemory", MemoryGate.HERE::waiting);
                registerProcess(registry);
            }
        };
    }

    /** What driver and executors both do. */
    private static void registerProcess(MetricRegistry registry) {
        gauge(registry, "bytesRead", () -> Traffic.ofProcess().read());
        gauge(registry, "bytesWritten", () -> Traffic.ofProcess().written() + ofHadoop("bytesWritten"));
        gauge(registry, "readsRetried", Retries::count);
    }

    private static long ofHadoop(String statistic) {
        long sum = 0;
        Iterator<StorageStatistics> all =
                FileSystem.getGlobalStorageStatistics().iterator();
        while (all.hasNext()) {
            Long value = all.next().getLong(statistic);
            sum += value == null ? 0 : value;
        }
        return sum;
    }

    private static void gauge(MetricRegistry registry, String name, Supplier<Object> value) {
        registry.register(name, (Gauge<Object>) value::get);
    }
}
