package io.sparkgguf.storage.hadoop;

import io.sparkgguf.storage.AbortableOutput;
import io.sparkgguf.storage.Explained;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.Names;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.RangeWriter;
import io.sparkgguf.storage.Retries;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Unfinished;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CommonPathCapabilities;
import org.apache.hadoop.fs.EtagSource;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.MultipartUploader;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.PathIsNotEmptyDirectoryException;
import org.apache.hadoop.fs.UnsupportedFileSystemException;
import org.apache.hadoop.fs.impl.FileSystemMultipartUploader;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.security.AccessControlException;

/**
 * Files of any Hadoop file system, named by URI ({@code hdfs://…}, {@code s3a://…}); plain paths and {@code file:} URIs
 * go to {@link LocalStorage}, whatever Hadoop's default file system is.
 *
 * <p>Carries Hadoop's settings as a map of text, so that executors open the same places as the driver does.
 */
public final class HadoopStorage implements Storage {
    private static final long serialVersionUID = 1L;
    /** The option's name in Hadoop 3.5; unknown to what cannot do it, and then ignored. */
    private static final String CONDITIONAL_CREATION = "fs.option.create.conditional.overwrite";
    /** Hadoop settings for how often a read, a look or a listing is tried, and milliseconds before the second attempt. */
    private static final String ATTEMPTS = "spark-gguf.retry.attempts";

    private static final String FIRST_WAIT = "spark-gguf.retry.first-wait.ms";
    private static final String LONGEST_WAIT = "spark-gguf.retry.longest-wait.ms";

    static final int BUFFER = 1 << 20;
    /** An option of S3A: no look for folders of the name before an object is written. */
    private static final String CREATE_UNCHECKED = "fs.s3a.create.performance";

    private static final FsPermission OWNER_ONLY_FOLDER = new FsPermission((short) 0700);

    private final Storage local;
    private final HashMap<String, String> settings;
    private transient Configuration configuration;

    /** @param settings Hadoop's, on top of its defaults and of the site files on the class path */
    public HadoopStorage(Map<String, String> settings) {
        this(settings, new LocalStorage());
    }

    private HadoopStorage(Map<String, String> settings, Storage local) {
        this.settings = new HashMap<>(settings);
        this.local = local;
    }

    /** With all settings of {@code configuration} as they are now. */
    public static HadoopStorage of(Configuration configuration) {
        Map<String, String> settings = new HashMap<>();
        for (Map.Entry<String, String> entry : configuration) {
            settings.put(entry.getKey(), entry.getValue());
        }
        return new HadoopStorage(settings);
    }

    private synchronized Configuration configuration() {
        if (configuration == null) {
            Configuration made = new Configuration();
            settings.forEach(made::set);
            S3aDefaults.apply(made);
            configuration = made;
        }
        return configuration;
    }

    private static boolean isLocal(String file) {
        String scheme = Names.scheme(file);
        return scheme.isEmpty() || scheme.equals("file");
    }

    private static Path path(String file) {
        try {
            return new Path(file);
        } catch (IllegalArgumentException e) {
            throw new InvalidInputException("Cannot use " + file + " as a file: " + e.getMessage(), e);
        }
    }

    FileSystem fileSystem(Path path) throws IOException {
        try {
            return path.getFileSystem(configuration());
        } catch (UnsupportedFileSystemException e) {
            throw unknownScheme(path, e);
        } catch (RuntimeException e) {
            if (e.getCause() instanceof ClassNotFoundException) {
                throw unknownScheme(path, e);
            }
            throw e;
        }
    }

    private static IOException unknownScheme(Path path, Exception cause) {
        String scheme = path.toUri().getScheme();
        return new IOException(
                "Cannot reach " + path + ": no file system for scheme " + scheme
                        + " on the class path (--packages may be missing)",
                cause);
    }

    static IOException failure(String action, String thing, IOException cause) {
        if (cause instanceof AccessControlException || cause instanceof java.nio.file.AccessDeniedException) {
            return new IOException("Cannot " + action + " " + thing + ": no permission", cause);
        }
        return Explained.failure(action, thing, cause);
    }

    @Override
    public RangeReader open(String file) throws IOException {
        if (isLocal(file)) {
            return local.open(file);
        }
        return HadoopReader.open(opener(file), null);
    }

    @Override
    public RangeReader open(FileStatus seen) throws IOException {
        return isLocal(seen.file()) ? local.open(seen) : HadoopReader.open(opener(seen.file()), seen);
    }

    private StreamOpener opener(String file) throws IOException {
        Path path = path(file);
        return new StreamOpener(file, path, fileSystem(path), retries());
    }

    private Retries retries() {
        Configuration settings = configuration();
        return new Retries(
                settings.getInt(ATTEMPTS, 5),
                settings.getLong(FIRST_WAIT, 250),
                settings.getLong(LONGEST_WAIT, 15_000));
    }

    @Override
    public FileStatus status(String file) throws IOException {
        if (isLocal(file)) {
            return local.status(file);
        }
        Path path = path(file);
        FileSystem system = fileSystem(path);
        return retried("look at", file, () -> translated(system.getFileStatus(path)));
    }

    private <R> R retried(String action, String file, Retries.Attempt<R> attempt) throws IOException {
        return retries().run(PassingFailures::mayPass, failure -> failure(action, file, failure), attempt);
    }

    static FileStatus translated(org.apache.hadoop.fs.FileStatus status) {
        return new FileStatus(
                status.getPath().toString(),
                status.isDirectory(),
                status.isDirectory() ? 0 : status.getLen(),
                status.getModificationTime(),
                status instanceof EtagSource source ? source.getEtag() : null);
    }

    @Override
    public boolean exists(String file) throws IOException {
        if (isLocal(file)) {
            return local.exists(file);
        }
        try {
            status(file);
            return true;
        } catch (FileNotFoundException e) {
            return false;
        }
    }

    @Override
    public boolean isSameFile(String a, String b) throws IOException {
        if (isLocal(a) && isLocal(b)) {
            return local.isSameFile(a, b);
        }
        if (isLocal(a) != isLocal(b)) {
            return false;
        }
        Path first = path(a);
        Path second = path(b);
        return fileSystem(first).makeQualified(first).equals(fileSystem(second).makeQualified(second));
    }

    @Override
    public void requireFileName(String file) throws IOException {
        if (isLocal(file)) {
            local.requireFileName(file);
        } else {
            Storage.super.requireFileName(file);
        }
    }

    @Override
    public List<FileStatus> list(String folder) throws IOException {
        if (isLocal(folder)) {
            return local.list(folder);
        }
        Path path = path(folder);
        FileSystem system = fileSystem(path);
        List<FileStatus> entries = retried("list", folder, () -> {
            if (!system.getFileStatus(path).isDirectory()) {
                throw new WrongKindException("it is not a folder");
            }
            List<FileStatus> found = new ArrayList<>();
            for (org.apache.hadoop.fs.FileStatus status : system.listStatus(path)) {
                found.add(translated(status));
            }
            return found;
        });
        entries.sort(Comparator.comparing(FileStatus::fileName));
        return entries;
    }

    @Override
    public void createFolder(String folder) throws IOException {
        if (isLocal(folder)) {
            local.createFolder(folder);
            return;
        }
        Path path = path(folder);
        FileSystem system = fileSystem(path);
        try {
            if (!system.mkdirs(path, OWNER_ONLY_FOLDER)) {
                throw new IOException("the file system refused");
            }
        } catch (IOException e) {
            throw failure("create folder", folder, e);
        }
    }

    @Override
    public OutputStream create(String file) throws IOException {
        if (isLocal(file)) {
            return local.create(file);
        }
        Path path = path(file);
        FileSystem system = fileSystem(path);
        try {
            return new HadoopOutput(
                    file, system.createFile(path).overwrite(true).build());
        } catch (IOException e) {
            throw failure("write", file, e);
        }
    }

    @Override
    public boolean createNew(String file, byte[] content) throws IOException {
        if (isLocal(file)) {
            return local.createNew(file, content);
        }
        Path path = path(file);
        FileSystem system = fileSystem(path);
        try {
            FSDataOutputStreamBuilder<?, ?> builder = system.createFile(path);
            builder.overwrite(false).opt(CONDITIONAL_CREATION, true);
            try (OutputStream out = builder.build()) { // HDFS looks now, S3A when it is closed
                out.write(content);
            }
            return true;
        } catch (IOException e) {
            if (system.exists(path)) {
                return false;
            }
            throw failure("write", file, e);
        }
    }

    @Override
    public Optional<AbortableOutput> createAtOnce(String file) throws IOException {
        if (isLocal(file)) {
            return Optional.empty();
        }
        Path path = path(file);
        FileSystem system = fileSystem(path);
        try {
            if (!system.hasPathCapability(path, CommonPathCapabilities.ABORTABLE_STREAM)) {
                return Optional.empty();
            }
            FSDataOutputStreamBuilder<?, ?> builder =
                    system.createFile(path).overwrite(true).recursive();
            builder.opt(CREATE_UNCHECKED, true);
            FSDataOutputStream out = builder.build();
            return Optional.of(new HadoopAbortableOutput(file, out));
        } catch (IOException e) {
            throw failure("write", file, e);
        }
    }

    @Override
    public Storage scratch() {
        return new HadoopStorage(settings, local.scratch());
    }

    @Override
    public boolean writesAtOffsets(String file) {
        return isLocal(file);
    }

    @Override
    public Optional<RangeWriter> openForWriting(String file) throws IOException {
        return isLocal(file) ? local.openForWriting(file) : Optional.empty();
    }

    /** Chosen by what the file system can do, not by its name. */
    @Override
    public FileCommit commit(String target, long length) throws IOException {
        if (isLocal(target)) {
            return local.commit(target, length);
        }
        Path path = qualified(target);
        FileSystem system = fileSystem(path);
        boolean uploads;
        try {
            uploads = system.hasPathCapability(path, CommonPathCapabilities.FS_MULTIPART_UPLOADER);
        } catch (IOException e) {
            throw failure("look at", target, e);
        }
        if (!uploads) {
            return Storage.super.commit(target, length);
        }
        return joinsFiles(path) ? new JoinedCommit(this, target, length) : new StoredCommit(this, target, length);
    }

    /** Whether uploads to this place are files that are joined, with Hadoop's own code for file systems. */
    private boolean joinsFiles(Path path) throws IOException {
        try (MultipartUploader uploader = uploader(path)) {
            return uploader instanceof FileSystemMultipartUploader;
        }
    }

    @Override
    public List<String> discardUnfinished(String target, String handle) throws IOException {
        if (isLocal(target)) {
            return local.discardUnfinished(target, handle);
        }
        String unfinished = Unfinished.file(target);
        if (exists(unfinished)) {
            JoinedCommit.requireOurs(this, unfinished);
        }
        List<String> removed = new ArrayList<>(Storage.super.discardUnfinished(target, handle));
        if (commit(target, 0) instanceof StoredCommit) {
            removed.addAll(StoredCommit.discard(this, target, handle));
        }
        return removed;
    }

    Path qualified(String file) throws IOException {
        Path path = path(file);
        return fileSystem(path).makeQualified(path);
    }

    /** What puts parts of files under {@code path}, which is qualified. */
    MultipartUploader uploader(Path path) throws IOException {
        return fileSystem(path).createMultipartUploader(path).bufferSize(BUFFER).build();
    }

    @Override
    public void rename(String from, String to) throws IOException {
        if (isLocal(from) && isLocal(to)) {
            local.rename(from, to);
            return;
        }
        if (!Names.scheme(from).equals(Names.scheme(to))) {
            throw new InvalidInputException("Cannot rename " + from + " to " + to + ": not on the same file system");
        }
        Path source = path(from);
        Path target = path(to);
        FileSystem system = fileSystem(source);
        try {
            if (system.exists(target) && system.getFileStatus(target).isDirectory()) {
                throw new FileAlreadyExistsException("a folder has that name");
            }
            renameOver(system, source, target);
        } catch (IOException e) {
            throw failure("rename", from + " to " + to, e);
        }
    }

    private void renameOver(FileSystem system, Path source, Path target) throws IOException {
        FileContext context;
        try {
            // Only this interface replaces in one step (HDFS); FileSystem.rename refuses when the target exists.
            context = FileContext.getFileContext(system.getUri(), configuration());
        } catch (UnsupportedFileSystemException e) {
            system.delete(target, false);
            if (!system.rename(source, target)) {
                throw new IOException("the file system refused", e);
            }
            return;
        }
        context.rename(source, target, Options.Rename.OVERWRITE);
    }

    @Override
    public void delete(String file) throws IOException {
        if (isLocal(file)) {
            local.delete(file);
            return;
        }
        Path path = path(file);
        FileSystem system = fileSystem(path);
        try {
            if (!system.delete(path, true) && system.exists(path)) {
                throw new IOException("the file system refused");
            }
        } catch (FileNotFoundException e) {
            return; // another process removed it first
        } catch (IOException e) {
            throw failure("delete", file, e);
        }
    }

    @Override
    public boolean deleteEmptyFolder(String folder) throws IOException {
        if (isLocal(folder)) {
            return local.deleteEmptyFolder(folder);
        }
        Path path = path(folder);
        FileSystem system = fileSystem(path);
        try {
            if (system.exists(path) && system.listStatus(path).length > 0) {
                return false;
            }
            system.delete(path, false);
            return true;
        } catch (FileNotFoundException e) {
            return true;
        } catch (PathIsNotEmptyDirectoryException e) {
            return false;
        } catch (IOException e) {
            throw failure("delete", folder, e);
        }
    }

    @Override
    public String resolve(String folder, String child) {
        if (isLocal(folder)) {
            return local.resolve(folder, child);
        }
        Names.requireInside(folder, child);
        return folder.endsWith("/") ? folder + child : folder + "/" + child;
    }
}
