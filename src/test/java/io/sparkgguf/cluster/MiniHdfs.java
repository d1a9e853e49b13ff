package io.sparkgguf.cluster;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;

/** A namenode and datanodes of HDFS in this process, on ports of the loopback interface. */
public final class MiniHdfs implements AutoCloseable {
    private static final List<String> QUIET = List.of(
            "org.apache.hadoop.hdfs.server",
            "org.apache.hadoop.fs.CachingGetSpaceUsed",
            "org.apache.hadoop.security.authentication");

    private final MiniDFSCluster cluster;

    private MiniHdfs(MiniDFSCluster cluster) {
        this.cluster = cluster;
    }

    /** @param folder where blocks and the namenode's files go */
    public static MiniHdfs start(Path folder, int datanodes) throws IOException {
        QUIET.forEach(name -> Configurator.setLevel(name, Level.OFF)); // nobody acts on what they warn of
        Configuration configuration = new Configuration();
        configuration.set("hdfs.minidfs.basedir", folder.toString());
        configuration.setInt("dfs.replication", Math.min(2, datanodes));
        // A lost datanode is noticed within seconds, and its replacement is not insisted on.
        configuration.setInt("dfs.namenode.heartbeat.recheck-interval", 500);
        configuration.setInt("dfs.heartbeat.interval", 1);
        configuration.set("dfs.client.block.write.replace-datanode-on-failure.policy", "NEVER");
        MiniDFSCluster cluster = new MiniDFSCluster.Builder(configuration)
                .numDataNodes(datanodes)
                .build();
        cluster.waitActive();
        return new MiniHdfs(cluster);
    }

    /** {@code hdfs://127.0.0.1:PORT}. */
    public String uri() {
        return cluster.getURI().toString();
    }

    public FileSystem fileSystem() throws IOException {
        return cluster.getFileSystem();
    }

    /** Ends a datanode at once; its replicas are gone. */
    public void killDatanode(int index) {
        cluster.stopDataNode(index);
    }

    @Override
    public void close() {
        cluster.shutdown(true);
    }
}
