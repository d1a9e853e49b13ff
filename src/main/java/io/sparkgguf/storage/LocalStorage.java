package io.sparkgguf.storage;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * Files of this machine, named by plain paths or {@code file:} URIs (percent-encoded, as URIs are); the names it gives
 * back are plain paths.
 *
 * <p>Folders that it makes are for their owner alone where the file system knows owners; files get the permissions that
 * the user's mask leaves. A file that is written is on disk when its stream or writer has been closed, but for those of
 * {@link #scratch}; a rename is atomic.
 */
public final class LocalStorage implements Storage {
    private static final long serialVersionUID = 1L;

    /** Whether what is written is on disk before anything else is done. */
    private final boolean lasting;

    public LocalStorage() {
        this(true);
    }

    private LocalStorage(boolean lasting) {
        this.lasting = lasting;
    }

    @Override
    public LocalStorage scratch() {
        return new LocalStorage(false);
    }

    @Override
    public RangeReader open(String file) throws IOException {
        Path path = path(file);
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw new IOException("Cannot read " + file + ": "
                        + (attributes.isDirectory() ? "it is a folder" : "it is not a regular file"));
            }
        } catch (java.nio.file.FileSystemException e) {
            throw Explained.failure("read", file, e);
        }
        return LocalFile.read(file, path);
    }

    @Override
    public FileStatus status(String file) throws IOException {
        return statusOf(path(file), file);
    }

    private static FileStatus statusOf(Path path, String name) throws IOException {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            boolean folder = attributes.isDirectory();
            return new FileStatus(
                    path.toString(),
                    folder,
                    folder ? 0 : attributes.size(),
                    attributes.lastModifiedTime().toMillis());
        } catch (IOException e) {
            throw Explained.failure("look at", name, e);
        }
    }

    @Override
    public boolean exists(String file) {
        return Files.exists(path(file), LinkOption.NOFOLLOW_LINKS);
    }

    @Override
    public boolean isSameFile(String a, String b) throws IOException {
        Path first = path(a).toAbsolutePath().normalize();
        Path second = path(b).toAbsolutePath().normalize();
        if (first.equals(second)) {
            return true;
        }
        return Files.exists(first) && Files.exists(second) && Files.isSameFile(first, second);
    }

    @Override
    public void requireFileName(String file) {
        Path path = path(file);
        Path folder = path.toAbsolutePath().getParent();
        String reason = null;
        if (Files.isDirectory(path)) {
            reason = "it is a folder";
        } else if (file.endsWith("/")) {
            reason = "that is the name of a folder";
        } else if (!Files.isDirectory(folder)) {
            reason = Files.exists(folder) ? folder + " is no folder" : "folder " + folder + " does not exist";
        } else if (Files.exists(path) && !Files.isRegularFile(path)) {
            reason = "it is a device or pipe";
        }
        if (reason != null) {
            throw new InvalidInputException("Cannot write " + file + ": " + reason);
        }
    }

    @Override
    public List<FileStatus> list(String folder) throws IOException {
        List<Path> children = new ArrayList<>();
        try (var stream = Files.newDirectoryStream(path(folder))) {
            stream.forEach(children::add);
        } catch (java.nio.file.NotDirectoryException e) {
            throw new IOException("Cannot list " + folder + ": it is not a folder", e);
        } catch (IOException e) {
            throw Explained.failure("list", folder, e);
        }
        children.sort(Comparator.comparing(child -> child.getFileName().toString()));
        List<FileStatus> entries = new ArrayList<>(children.size());
        for (Path child : children) {
            try {
                entries.add(statusOf(child, child.toString()));
            } catch (FileNotFoundException e) {
                // removed since, or a link to nothing: it can be neither read nor descended into
                continue;
            }
        }
        return entries;
    }

    @Override
    public void createFolder(String folder) throws IOException {
        Path path = path(folder);
        try {
            Files.createDirectories(path, ownerOnly(path, "rwx------"));
        } catch (java.nio.file.FileAlreadyExistsException e) {
            throw new IOException("Cannot create folder " + folder + ": " + e.getFile() + " is a file", e);
        } catch (IOException e) {
            throw Explained.failure("create folder", folder, e);
        }
    }

    @Override
    public OutputStream create(String file) throws IOException {
        Path path = path(file);
        try {
            requireReplaceable("write", file, path);
            // A new file rather than an emptied one: who still reads the old one keeps it, and no link is followed.
            Files.deleteIfExists(path);
        } catch (java.nio.file.FileSystemException e) {
            throw Explained.failure("write", file, e);
        }
        return LocalFile.create(file, path, Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW), lasting);
    }

    @Override
    public boolean createNew(String file, byte[] content) throws IOException {
        Path path = path(file);
        String temporary = file + "." + UUID.randomUUID() + ".tmp";
        Set<OpenOption> options = Set.of(StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        try (OutputStream out = LocalFile.create(file, path(temporary), options, true)) {
            out.write(content);
        } catch (IOException e) {
            delete(temporary);
            throw e;
        }
        try {
            Files.createLink(path, path(temporary)); // with all its content in one step
        } catch (java.nio.file.FileAlreadyExistsException e) {
            return false;
        } catch (UnsupportedOperationException | IOException e) {
            return createNewWithoutLinks(file, path, content);
        } finally {
            delete(temporary);
        }
        syncFolderOf(path);
        return true;
    }

    /** For file systems that know no links: whoever looks in between sees an empty file. */
    private static boolean createNewWithoutLinks(String file, Path path, byte[] content) throws IOException {
        try {
            Files.write(path, content, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            return true;
        } catch (java.nio.file.FileAlreadyExistsException e) {
            return false;
        } catch (IOException e) {
            throw Explained.failure("write", file, e);
        }
    }

    @Override
    public Optional<RangeWriter> openForWriting(String file) throws IOException {
        Path path = path(file);
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)
                && Files.isDirectory(path.toAbsolutePath().getParent())) {
            throw new FileNotFoundException("Cannot write " + file + ": no such file");
        }
        // Not made here: a late copy of a task would leave a file of that name when the finished one has been renamed.
        Set<OpenOption> options = Set.of(StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
        return Optional.of(LocalFile.write(file, path, options, lasting));
    }

    @Override
    public boolean writesAtOffsets(String file) {
        return true;
    }

    @Override
    public FileCommit commit(String target, long length) {
        return new PositionalCommit(this, target, length);
    }

    @Override
    public void rename(String from, String to) throws IOException {
        Path source = path(from);
        Path target = path(to);
        requireReplaceable("rename", from + " to " + to, target);
        try {
            Files.move(source, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw Explained.failure("rename", from + " to " + to, e);
        }
        if (lasting) {
            syncFolderOf(target);
        }
    }

    /** Folders and devices are not to vanish under a file of their name. */
    private static void requireReplaceable(String action, String thing, Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException("Cannot " + action + " " + thing + ": a folder has that name");
        }
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)
                && !Files.isSymbolicLink(path)
                && !Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException("Cannot " + action + " " + thing + ": a device or pipe has that name");
        }
    }

    /** The new name itself must outlive a crash of the machine; Windows has no such call and needs none. */
    private static void syncFolderOf(Path path) throws IOException {
        Path folder = path.toAbsolutePath().getParent();
        if (folder != null && posix(folder)) {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            } catch (IOException e) {
                throw Explained.failure("write to disk", "folder " + folder, e);
            }
        }
    }

    @Override
    public void delete(String file) throws IOException {
        Path root = path(file);
        if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try {
            Files.walkFileTree(root, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) throws IOException {
                    Files.deleteIfExists(path);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path path, IOException e) throws IOException {
                    if (e instanceof NoSuchFileException) {
                        return FileVisitResult.CONTINUE; // another process removed it first
                    }
                    throw e;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
                    if (e != null) {
                        throw e;
                    }
                    Files.deleteIfExists(folder);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw Explained.failure("delete", file, e);
        }
    }

    @Override
    public boolean deleteEmptyFolder(String folder) throws IOException {
        try {
            Files.deleteIfExists(path(folder));
            return true;
        } catch (java.nio.file.DirectoryNotEmptyException e) {
            return false;
        } catch (IOException e) {
            throw Explained.failure("delete", folder, e);
        }
    }

    @Override
    public String resolve(String folder, String child) {
        Names.requireInside(folder, child);
        return path(folder).resolve(child).toString();
    }

    private static boolean posix(Path path) {
        return path.getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    private static FileAttribute<?>[] ownerOnly(Path path, String permissions) {
        return posix(path)
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
                }
                : new FileAttribute<?>[0];
    }

    private static Path path(String file) {
        if (file.isEmpty()) {
            throw new InvalidInputException("Cannot use a file without a name");
        }
        try {
            if (!Names.scheme(file).equals("file")) {
                return Path.of(file);
            }
            URI uri = new URI(file);
            String host = uri.getAuthority();
            if (host != null && !host.isEmpty() && !host.equals("localhost")) {
                throw new InvalidInputException("Cannot use " + file + " as a file: after file:// stands the machine, "
                        + host + "; write file:/path or a plain path");
            }
            if (uri.getPath() == null || uri.getQuery() != null || uri.getFragment() != null) {
                throw new InvalidInputException(
                        "Cannot use " + file + " as a file: a file: URI has a path and nothing else");
            }
            return Path.of(uri.getPath());
        } catch (URISyntaxException | InvalidPathException e) {
            throw new InvalidInputException("Cannot use " + file + " as a file: " + e.getMessage(), e);
        }
    }
}
