package io.sparkgguf.cluster;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;

/**
 * A resource manager and node managers of YARN in this process, on loopback. Containers are processes of their own. Its
 * configuration is written to a folder, for {@code HADOOP_CONF_DIR}.
 */
final class MiniYarn implements AutoCloseable {
    private final MiniYARNCluster cluster;
    private final Path configuration;

    private MiniYarn(MiniYARNCluster cluster, Path configuration) {
        this.cluster = cluster;
        this.configuration = configuration;
    }

    /**
     * Starts node managers of 4 GiB and 4 cores each.
     *
     * @param folder where logs, containers and the configuration go
     * @param settings Hadoop's, for example {@code fs.defaultFS}
     */
    static MiniYarn start(Path folder, int nodes, Map<String, String> settings) throws IOException {
        Configurator.setLevel("org.apache.hadoop", Level.OFF); // it warns of all that a cluster of one process is not
        YarnConfiguration conf = new YarnConfiguration();
        settings.forEach(conf::set);
        conf.set("hadoop.tmp.dir", folder.resolve("hadoop").toString());
        // Nothing on this machine but its own disk decides whether a node is healthy.
        conf.set("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "100");
        conf.set("yarn.nodemanager.vmem-check-enabled", "false");
        conf.set("yarn.scheduler.minimum-allocation-mb", "256");
        conf.set("yarn.nodemanager.resource.cpu-vcores", "4");
        conf.set("yarn.scheduler.capacity.root.queues", "default");
        conf.set("yarn.scheduler.capacity.root.default.capacity", "100");
        conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1");
        MiniYARNCluster cluster = new MiniYARNCluster("spark-gguf", nodes, 1, 1);
        cluster.init(conf);
        cluster.start();
        Path configuration = Files.createDirectories(folder.resolve("hadoop-conf"));
        write(cluster.getConfig(), configuration.resolve("yarn-site.xml"));
        write(cluster.getConfig(), configuration.resolve("core-site.xml"));
        return new MiniYarn(cluster, configuration);
    }

    private static void write(Configuration conf, Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            conf.writeXml(out);
        }
    }

    /** The folder for {@code HADOOP_CONF_DIR}. */
    Path configuration() {
        return configuration;
    }

    @Override
    public void close() {
        cluster.stop();
    }
}
